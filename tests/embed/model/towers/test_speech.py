"""Every family of speech towers gives the library's own layers, clip by clip, whatever else is in the batch."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import AutoFeatureExtractor, AutoModel

from embed.encoder import SAMPLE_RATE, SHORTEST_S, FloatArray
from embed.errors import InputError, SpecError
from embed.model.spec import SpeechTowerSpec
from embed.model.towers.speech import SpeechTower
from embed.model.towers.speech_families import WHISPER_TAIL_S
from tests.towers import SPEECH_MAKERS, Tiny

KINDS = list(SPEECH_MAKERS)
ONE_OF_EACH = ["whisper", "hubert", "wav2vec2", "wavlm", "w2v-bert"]
# float32 through three layers.
CLOSE = 2e-5


def tower_of(tiny: Tiny, kind: str, layers: tuple[int, ...] | None = None) -> SpeechTower:
    return SpeechTower.load(SpeechTowerSpec(name=tiny(kind), layers=layers))


def noise(*seconds: float) -> list[FloatArray]:
    random = np.random.default_rng(3)
    return [random.normal(0.01, 0.1, int(s * SAMPLE_RATE)).astype(np.float32) for s in seconds]


def run(tower: SpeechTower, waves: list[FloatArray]) -> tuple[Tensor, list[int]]:
    with torch.inference_mode():
        frames, lengths = tower(waves)
    return frames, lengths.tolist()


def plain(place: str, wave: FloatArray) -> list[Tensor]:
    """The layers [T, H] of one clip, as `transformers` gives them to anybody."""
    extractor, model = AutoFeatureExtractor.from_pretrained(place), AutoModel.from_pretrained(place).eval()
    inputs = extractor(wave, sampling_rate=SAMPLE_RATE, return_tensors="pt")
    encoder = model.encoder if model.config.model_type == "whisper" else model
    with torch.inference_mode():
        out = encoder(**inputs, output_hidden_states=True)
    # The first is what enters layer 1; whether the last has the closing norm is not the same everywhere.
    return [state[0] for state in [*out.hidden_states[1:-1], out.last_hidden_state]]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_layers_are_the_librarys_own(tiny: Tiny, kind: str) -> None:
    # The library pads Whisper to 30 s; a clip of just that, with its tail, is the same to both.
    seconds = 30 - WHISPER_TAIL_S if kind == "whisper" else 1.245
    (wave,) = noise(seconds)
    frames, (length,) = run(tower_of(tiny, kind), [wave])
    theirs = plain(tiny(kind), wave)
    ours = frames[0].chunk(len(theirs), dim=-1)
    # Of an odd number of log-mel frames, the library makes a last half feature, which its own mask then drops.
    assert len(theirs[0]) - length in ((0, 1) if kind.startswith("w2v-bert") else (0,))
    for one, other in zip(ours, theirs, strict=True):
        assert (one - other[:length]).abs().max() < CLOSE * other.abs().max()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_frames_do_not_depend_on_the_batch(tiny: Tiny, kind: str) -> None:
    tower = tower_of(tiny, kind)
    waves = noise(0.31, 2.0, 1.237, 0.9, SHORTEST_S)
    together, lengths = run(tower, waves)
    backwards, _ = run(tower, waves[::-1])
    for i, (wave, length) in enumerate(zip(waves, lengths, strict=True)):
        alone, (size,) = run(tower, [wave])
        assert size == length >= 1
        for batch in (together[i], backwards[-1 - i]):
            assert (batch[:length] - alone[0]).abs().max() < CLOSE * alone.abs().max()
            assert not batch[length:].any()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_fifty_frames_are_a_second(tiny: Tiny, kind: str) -> None:
    _, lengths = run(tower_of(tiny, kind), noise(1.0, 2.0))
    # Whisper's tail is heard too.
    tail = 15 if kind == "whisper" else 0
    assert [length - tail for length in lengths] == pytest.approx([50, 100], abs=1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ONE_OF_EACH)
def test_chosen_layers_stand_in_the_order_given(tiny: Tiny, kind: str) -> None:
    waves = noise(0.5)
    whole, _ = run(tower_of(tiny, kind), waves)
    tower = tower_of(tiny, kind, layers=(2, 1))
    chosen, _ = run(tower, waves)
    assert tower.width == 64 == chosen.shape[-1]
    assert torch.equal(chosen, torch.cat([whole[..., 32:64], whole[..., :32]], dim=-1))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_tower_in_training_is_as_frozen_as_ever(tiny: Tiny, kind: str) -> None:
    tower, waves = tower_of(tiny, kind), noise(0.5, 0.3)
    before, _ = run(tower, waves)
    tower.train()
    assert not any(module.training for module in tower.modules())
    assert not any(parameter.requires_grad for parameter in tower.parameters())
    after, _ = run(tower, waves)
    assert torch.equal(before, after)


@pytest.mark.slow
def test_the_longest_wave(tiny: Tiny) -> None:
    """Whisper's position table, less the tail; for the others a bound of ours."""
    assert {kind: tower_of(tiny, kind).longest_s for kind in ONE_OF_EACH} == {
        "whisper": pytest.approx(29.7),
        "hubert": 60,
        "wav2vec2": 60,
        "wavlm": 60,
        "w2v-bert": 60,
    }
    whisper = tower_of(tiny, "whisper")
    _, lengths = run(whisper, noise(29.7))
    assert lengths == [1500]
    with pytest.raises(InputError, match=r"29\.8 s is longer than the 29\.7 s that .*whisper takes"):
        run(whisper, noise(29.8))


@pytest.mark.parametrize("kind", ONE_OF_EACH)
def test_unfit_waves_are_refused(tiny: Tiny, kind: str) -> None:
    tower = tower_of(tiny, kind)
    with pytest.raises(InputError, match="is longer than the"):
        run(tower, [np.zeros(61 * SAMPLE_RATE, dtype=np.float32)])
    for wave in (noise(0.049)[0], np.zeros(0, dtype=np.float32), np.full(SAMPLE_RATE, np.nan, dtype=np.float32)):
        with pytest.raises(InputError, match=r"at least 0\.05 s long and finite"):
            run(tower, [*noise(0.5), wave])


@pytest.mark.parametrize("kind", ONE_OF_EACH)
def test_silence_gives_finite_frames(tiny: Tiny, kind: str) -> None:
    frames, _ = run(tower_of(tiny, kind), [np.zeros(SAMPLE_RATE, dtype=np.float32), *noise(1.5)])
    assert torch.isfinite(frames).all()


@pytest.mark.parametrize("layers", [(4,), (0, 1), (-1,), ()])
def test_layers_that_are_not_there(tiny: Tiny, layers: tuple[int, ...]) -> None:
    with pytest.raises(SpecError, match=r"wavlm' has layers 1 to 3, not"):
        tower_of(tiny, "wavlm", layers=layers)


def test_names_that_are_no_speech_tower(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"bert' is a bert; this version supports whisper, hubert, .*, wav2vec2-bert$"):
        tower_of(tiny, "bert")
    for name in (str(tmp_path), str(tmp_path / "nowhere"), "packaged:nothing"):
        with pytest.raises(SpecError, match=name):
            SpeechTower.load(SpeechTowerSpec.parse({"name": name}))
    (tmp_path / "config.json").write_text('{"model_type": "tomorrows"}')
    with pytest.raises(SpecError, match=r"cannot be loaded: .*tomorrows"):
        SpeechTower.load(SpeechTowerSpec.parse({"name": str(tmp_path)}))
