"""Speech recognition: real words of a real Whisper, and what a row owes to its batch (nothing) on small random ones."""

from difflib import SequenceMatcher
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForCTC,
    AutoModelForSpeechSeq2Seq,
    AutoTokenizer,
    GenerationMixin,
    Wav2Vec2FeatureExtractor,
    WhisperFeatureExtractor,
)

from embed.encoder import FloatArray
from embed.errors import DataUnavailable, InputError, SpecError
from embed.model.recognition.recogniser import Recogniser, Transcript
from embed.storage.cache import cache_folder
from tests.recognisers import ctc_in, whisper_in
from tests.towers import towers_in
from train.curate.clip import read_clip, words
from train.curate.sources import asterisk
from train.curate.split import split


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> str:
    return whisper_in(tmp_path_factory.mktemp("whisper"))


@pytest.fixture(scope="module")
def hubert(tmp_path_factory: pytest.TempPathFactory) -> str:
    return ctc_in(tmp_path_factory.mktemp("hubert"))


def waves(*seconds: float) -> list[FloatArray]:
    noise = np.random.default_rng(3)
    return [noise.normal(0, 0.1, int(s * 16_000)).astype(np.float32) for s in seconds]


def same(a: list[Transcript], b: list[Transcript]) -> bool:
    likely = np.allclose([one.log_prob for one in a], [one.log_prob for one in b], atol=1e-4)
    return likely and [(one.texts, one.lang) for one in a] == [(one.texts, one.lang) for one in b]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "hypotheses"), [("whisper", 1), ("whisper", 3), ("hubert", 1), ("hubert", 3), ("w2v-bert", 1)]
)
def test_a_wave_does_not_depend_on_its_batch(
    kind: str, hypotheses: int, whisper: str, hubert: str, tmp_path: Path
) -> None:
    name = {"whisper": whisper, "hubert": hubert}.get(kind) or ctc_in(tmp_path / kind, kind)
    recogniser = Recogniser.load(name)
    clips = waves(0.31, 2.0, 1.237, 11.0, 0.9)
    together = recogniser.transcribe(clips, hypotheses=hypotheses)
    alone = [heard for clip in clips for heard in recogniser.transcribe([clip], hypotheses=hypotheses)]
    assert same(together, alone)
    assert same(recogniser.transcribe(clips[::-1], hypotheses=hypotheses)[::-1], alone)
    assert {len(heard.texts) for heard in together} == {hypotheses if kind == "whisper" else 1}
    assert len({heard.text for heard in together}) > 1
    assert all(heard.log_prob < 0 for heard in together)


@pytest.mark.slow
def test_whisper_writes_what_transformers_writes(whisper: str) -> None:
    """The plain slow way: padded to its whole window, one clip at a time, through `generate`."""
    recogniser = Recogniser.load(whisper, ["fr"])
    clip = waves(11.9)[0]
    model = AutoModelForSpeechSeq2Seq.from_pretrained(whisper).eval()
    mel = WhisperFeatureExtractor.from_pretrained(whisper)(clip, sampling_rate=16_000, return_tensors="pt")
    ids = model.generate(mel["input_features"], language="fr", task="transcribe")
    plain = AutoTokenizer.from_pretrained(whisper).decode(ids[0], skip_special_tokens=True)
    (heard,) = recogniser.transcribe([clip])
    assert heard.lang == "fr"
    assert len(heard.text) > 3
    assert heard.text[:50] == plain.strip()[:50]


@pytest.mark.slow
def test_whisper_writes_as_many_ways_as_transformers_does(whisper: str) -> None:
    """Beam search where a sequence counts by its whole probability, however long it is."""
    recogniser, hypotheses = Recogniser.load(whisper, ["fr"]), 4
    clip = waves(11.9)[0]
    model = AutoModelForSpeechSeq2Seq.from_pretrained(whisper).eval()
    mel = WhisperFeatureExtractor.from_pretrained(whisper)(clip, sampling_rate=16_000, return_tensors="pt")
    found = GenerationMixin.generate(
        model,
        mel["input_features"],
        decoder_input_ids=torch.tensor([[model.config.decoder_start_token_id, *prompt_ids(whisper, "fr")]]),
        decoder_attention_mask=torch.ones(1, 4, dtype=torch.long),
        num_beams=hypotheses,
        num_return_sequences=hypotheses,
        length_penalty=0.0,
        max_length=64,
        renormalize_logits=True,
    )
    plain = AutoTokenizer.from_pretrained(whisper).batch_decode(found, skip_special_tokens=True)
    (heard,) = recogniser.transcribe([clip], hypotheses=hypotheses)
    assert len(set(heard.texts)) == hypotheses
    assert [text[:50] for text in heard.texts] == [text.strip()[:50] for text in plain]


def prompt_ids(whisper: str, lang: str) -> list[int]:
    tokens = [f"<|{lang}|>", "<|transcribe|>", "<|notimestamps|>"]
    ids: list[int] = AutoTokenizer.from_pretrained(whisper).convert_tokens_to_ids(tokens)
    return ids


@pytest.mark.slow
def test_ctc_writes_what_transformers_writes(hubert: str) -> None:
    clip = waves(1.5)[0]
    values = Wav2Vec2FeatureExtractor.from_pretrained(hubert)(clip, sampling_rate=16_000, return_tensors="pt")
    with torch.inference_mode():
        logits = AutoModelForCTC.from_pretrained(hubert).eval()(**values).logits
    plain = AutoTokenizer.from_pretrained(hubert).decode(logits[0].argmax(-1).tolist())
    (heard,) = Recogniser.load(hubert).transcribe([clip])
    assert heard.text == plain.strip()
    assert heard.text
    assert heard.lang == ""
    assert Recogniser.load(hubert, ["wo"]).transcribe([clip])[0].lang == "wo"


@pytest.mark.slow
def test_the_language_is_given_or_made_out(whisper: str) -> None:
    clip = waves(1.0)
    free, bound = Recogniser.load(whisper), Recogniser.load(whisper, ["wo"])
    assert free.known == ("en", "fr", "wo")
    assert bound.transcribe(clip)[0].lang == "wo"
    likeliest = free.transcribe(clip)[0]
    assert same(free.transcribe(clip, [likeliest.lang]), [likeliest])
    others = [lang for lang in free.known if lang != likeliest.lang]
    assert free.transcribe(clip, others)[0].lang in others


@pytest.mark.slow
def test_a_long_wave_is_heard_in_parts(whisper: str) -> None:
    recogniser = Recogniser.load(whisper, ["en"])
    (long,) = waves(16.0)
    for hypotheses in (1, 2):
        halves = recogniser.transcribe([long[:128_000], long[128_000:]], hypotheses=hypotheses)
        joined = tuple(" ".join(texts) for texts in zip(*(half.texts for half in halves), strict=True))
        assert recogniser.transcribe([long], hypotheses=hypotheses)[0].texts == joined
        assert len(joined) == hypotheses


@pytest.mark.slow
def test_nothing_to_hear_is_no_error(whisper: str) -> None:
    recogniser = Recogniser.load(whisper)
    assert recogniser.transcribe([]) == []
    assert len(recogniser.transcribe([np.zeros(16_000, np.float32)])) == 1


def test_what_cannot_be_is_named(whisper: str, hubert: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="does not know tlh; it knows en, fr, wo"):
        Recogniser.load(whisper, ["tlh"])
    with pytest.raises(SpecError, match="does not know tlh"):
        Recogniser.load(whisper).transcribe(waves(1.0), ["tlh"])
    with pytest.raises(InputError, match="at least"):
        Recogniser.load(hubert).transcribe([np.zeros(10, np.float32)])
    with pytest.raises(SpecError, match="cannot be loaded"):
        Recogniser.load(str(tmp_path / "nowhere"))
    with pytest.raises(SpecError, match=r"lacks 2 of its weights, e\.g\. lm_head"):
        Recogniser.load(towers_in(tmp_path)("hubert"))


@pytest.mark.data
def test_real_speech_becomes_its_words() -> None:
    """Three dev prompts, in a language that is given and in one of two that is made out."""
    try:
        found = split(asterisk.clips(cache_folder(), ("fr", "en")))["dev"]
        recogniser = Recogniser.load("packaged:whisper-base", ["en", "fr"])
    except DataUnavailable as error:
        pytest.skip(str(error))
    clips = sorted((clip for clip in found if clip.lang == "en"), key=lambda clip: clip.key)[:3]
    sounds = [read_clip(clip) for clip in clips]
    for heard in (recogniser.transcribe(sounds), recogniser.transcribe(sounds, ["en"])):
        assert [one.lang for one in heard] == ["en"] * 3
        near = [
            SequenceMatcher(None, words(one.text), words(clip.text)) for one, clip in zip(heard, clips, strict=True)
        ]
        assert min(one.ratio() for one in near) > 0.7
