"""A tiny lesson for tiny random towers: tones of eight pitches, each with its sentence in two languages."""

import gzip
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile
import torch
from torch import Tensor

from embed.encoder import SAMPLE_RATE, FloatArray, Role
from embed.model.joint import JointEncoder
from embed.model.towers.speech import SpeechTower
from embed.model.transform import fit
from embed.model.weights import assemble
from tests.towers import Tiny, encoder_values
from train.curate.clip import Clip, clip_of_file
from train.frozen.features import Features, Shard, compute_shard, plan_shards
from train.frozen.targets import Targets, encode_texts, gather_texts, targets_of
from train.spec import TrainSpec

PITCHES_HZ = (150, 260, 450, 780, 1350, 2350, 4050, 7000)
SENTENCES: Mapping[str, tuple[str, ...]] = {
    "en": ("rain", "the sun is up", "we sell rice", "no", "a goat", "music for you", "the end", "call us now please"),
    "fr": ("pluie", "il fait jour", "riz a vendre", "non", "chevre", "un peu de son", "fin", "appelez vite le studio"),
}


def tone(pitch: int, seed: int) -> FloatArray:
    """Half a second to one of a pitch, in noise; no two alike."""
    chance = np.random.default_rng([pitch, seed])
    time_s = np.arange(int(chance.uniform(0.5, 1.0) * SAMPLE_RATE)) / SAMPLE_RATE
    wave = chance.uniform(0.2, 0.5) * np.sin(2 * np.pi * PITCHES_HZ[pitch] * time_s + chance.uniform(0, 6))
    noisy: FloatArray = (wave + chance.normal(0, 0.01, len(time_s))).astype(np.float32)
    return noisy


def make_clips(folder: Path, copies: int) -> list[Clip]:
    """`copies` recordings of each pitch, in turn English and French."""
    folder.mkdir(parents=True, exist_ok=True)
    clips = []
    for number in range(copies * len(PITCHES_HZ)):
        pitch, lang = number % len(PITCHES_HZ), ("en", "fr")[number // len(PITCHES_HZ) % 2]
        path = folder / f"{number}.wav"
        soundfile.write(path, tone(pitch, number), SAMPLE_RATE)
        texts = {name: sentences[pitch] for name, sentences in SENTENCES.items()}
        found = clip_of_file("own", f"own:{number}", lang, texts[lang], path, texts)
        assert found is not None
        clips.append(found)
    return clips


def write_prompts(cache: Path, num: int) -> None:
    """`num` prompts in English and French, laid out in the cache as the packages of Asterisk are once unpacked."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    for lang, sentences in SENTENCES.items():
        package = f"asterisk-core-sounds-{lang}"
        texts = cache / "debian" / f"{package}_1" / "usr/share/doc" / package / f"core-sounds-{lang}.txt.gz"
        sounds = cache / "debian" / f"{package}-g722_1" / "usr/share/asterisk/sounds" / f"{lang}_tone"
        texts.parent.mkdir(parents=True)
        sounds.mkdir(parents=True)
        lines = []
        for i in range(num):
            name = 3 * letters[i % 26] + letters[i // 26]
            lines.append(f"{name}: {sentences[i % len(PITCHES_HZ)]} {name}\n")
            _write_g722(sounds / f"{name}.g722", tone(i % len(PITCHES_HZ), i))
        texts.write_bytes(gzip.compress("".join(lines).encode()))


def _write_g722(path: Path, wave: FloatArray) -> None:
    with av.open(str(path), "w", format="g722") as file:
        stream = file.add_stream("g722", rate=SAMPLE_RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray((wave * 32767).astype(np.int16)[None], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            file.mux(packet)


def lesson_spec(tiny: Tiny, **changed: Any) -> TrainSpec:
    encoder = {**encoder_values(tiny), "transform": True}
    encoder["fusion"] = {"width": 32, "activation": True, "output_norm": True}
    values = {
        "encoder": encoder,
        "sources": [{"name": "asterisk", "langs": ["fr"]}],
        "target_langs": ["en", "fr"],
        "output": "nowhere",
        "optimiser": {"epochs": 16, "batch": 8, "learning_rate": 0.02, "warmup_steps": 5},
    }
    return TrainSpec.parse({**values, **changed})


def all_features(spec: TrainSpec, clips: list[Clip], folder: Path) -> tuple[Features, list[Shard]]:
    assert spec.encoder.speech is not None
    shards = plan_shards(spec.encoder, clips, spec.features, spec.seed, str(folder))
    tower = SpeechTower.load(spec.encoder.speech)
    for shard in shards:
        compute_shard(tower, shard)
    return Features(shards, len(clips)), shards


def fresh_model(spec: TrainSpec, features: Features, clips: range) -> JointEncoder:
    """Untrained, the same every time, with its transform fitted on random words."""
    torch.manual_seed(spec.seed)
    model = assemble(spec.encoder)
    chance = np.random.default_rng(0)
    words = ["".join(chance.choice(list("abcdefghijklmnop "), 12)) for _ in range(100)]
    assert model.fusion is not None
    assert model.transform is not None
    plain = assemble(spec.encoder.model_copy(update={"transform": False, "speech": None, "fusion": None}))
    model.transform.load_state_dict(fit(torch.from_numpy(plain.encode(words, "document"))).state_dict())
    model.fusion.standardise(*features.spread(clips, spec.seed))
    model.fusion.start_at(model.text.model.get_input_embeddings().weight)
    return model


def all_targets(model: JointEncoder, clips: list[Clip]) -> Targets:
    texts, own = gather_texts(clips, ["en", "fr"])
    return targets_of(clips, texts, own, dict(encode_texts(model, texts).items()))


def spoken_vectors(model: JointEncoder, features: Features, clips: range, role: Role) -> Tensor:
    """[n, D], clip by clip."""
    model.eval()
    with torch.inference_mode():
        frames = [features.frames(clip) for clip in clips]
        return torch.cat([model(one[None], torch.tensor([len(one)]), role) for one in frames])
