import pytest

from embed.errors import DataUnavailable
from train.curate.synthesis.espeak import Espeak


@pytest.fixture(scope="module")
def reader() -> Espeak:
    pytest.importorskip("espeakng_loader", reason="pip install -e '.[synthetic]'")
    return Espeak()


@pytest.mark.parametrize(
    ("voice", "text", "spelt"),
    [
        ("fr", "¡Un chat, deux !", "œ̃ ʃˈa, dˈø!"),
        ("el", "γάτα", "ɣˈata"),
        ("en-us", "chess", "t^ʃˈɛs"),
    ],
)
def test_spelling_becomes_sounds(reader: Espeak, voice: str, text: str, spelt: str) -> None:
    assert reader.phonemes(text, voice, "^") == spelt


def test_a_voice_that_is_not_there_is_named(reader: Espeak) -> None:
    with pytest.raises(DataUnavailable, match="no voice 'xx-nowhere'"):
        reader.phonemes("a", "xx-nowhere", "^")
