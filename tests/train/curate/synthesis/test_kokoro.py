"""The real engine where it is installed; its voices where npm gave them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from embed.errors import DataUnavailable
from train.curate.synthesis import installed
from train.curate.synthesis.espeak import Espeak
from train.curate.synthesis.kokoro import Kokoro, identity, phonemes
from train.curate.synthesis.utterance import Utterance


@pytest.fixture(scope="module")
def engine(obtain: Callable[[Callable[[Path], Path]], Path]) -> Kokoro:
    pytest.importorskip("espeakng_loader", reason="pip install -e '.[synthetic]'")
    return Kokoro(obtain(installed.kokoro_voices))


def apple(**changes: object) -> Utterance:
    return Utterance(**{"text": "Чырвоны яблык", "lang": "be", "engine": "kokoro", "voice": "ef_dora", **changes})  # type: ignore[arg-type]


def test_what_is_said_depends_on_the_utterance_alone(engine: Kokoro) -> None:
    first = engine.speak(apple())
    mixed = engine.speak(apple(voice="ef_dora~em_alex"))
    assert np.array_equal(engine.speak(apple()), first)
    assert first.dtype == np.float32
    assert 10_000 < len(first) < 60_000
    assert not np.array_equal(mixed[:10_000], first[:10_000])
    assert engine.speak(apple(text="...", lang="fr")).size in range(60_000)
    assert "kokoro-js" in identity()


def test_a_voice_that_is_gone_is_named(engine: Kokoro) -> None:
    with pytest.raises(DataUnavailable, match=r"zz_nobody\.bin: the voice is missing"):
        engine.speak(apple(voice="zz_nobody"))


def test_sounds_are_written_as_the_engine_reads_them() -> None:
    pytest.importorskip("espeakng_loader", reason="pip install -e '.[synthetic]'")
    reader = Espeak()
    assert phonemes(reader, apple(text="«Γάτα»", lang="el")) == "“ɣˈata”"
    assert phonemes(reader, apple(text="chess", lang="en", voice="af_heart")) == "ʧˈɛs"
    assert phonemes(reader, apple(text="go", lang="en", voice="bf_emma")) == "ɡˈQ"
    assert phonemes(reader, apple(text="go", lang="en", voice="af_heart")) == "ɡˈO"
