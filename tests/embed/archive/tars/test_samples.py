import numpy as np
import pyarrow as pa
import pytest

from embed.archive.tars.index import Kind, TarIndex
from embed.archive.tars.samples import describe, samples_of


def found(*names: str, modality: str = "auto", listed: str = "") -> tuple[dict[str, list[str]], dict[str, str]]:
    """Assets with what describes them, and what is passed over."""
    num = len(names)
    sizes = np.asarray([(2 << 20) if name.startswith("large") else 9 for name in names])
    index = TarIndex(pa.array(names), np.arange(num), sizes, np.full(num, Kind.FILE, np.uint8))
    samples = samples_of(index, modality, lambda place: names[place] == listed)
    assets = {names[place]: [names[part] for part in parts] for place, parts in samples.assets.items()}
    return assets, {names[place]: kind for place, kind in samples.passed_over.items()}


@pytest.mark.parametrize(
    ("names", "assets", "passed_over"),
    [
        ("a.flac a.json a.txt a.cls", {"a.flac": "a.json a.txt a.cls"}, {}),
        ("a.cls a.flac b.cls b.flac", {"a.flac": "a.cls", "b.flac": "b.cls"}, {}),
        ("a.flac b.flac b.txt a.txt", {"a.flac": "a.txt", "b.flac": "b.txt"}, {}),  # as `tar` writes a folder
        ("x/a.flac y/a.txt", {"x/a.flac": "", "y/a.txt": ""}, {}),
        ("a.left.wav a.right.wav a.json", {"a.left.wav": "a.json", "a.right.wav": "a.json"}, {}),
        ("a.wav a.transcript.txt", {"a.wav": "a.transcript.txt"}, {}),
        ("a.txt a.json", {"a.txt": "a.json"}, {}),
        ("a.wav a.txt.json", {"a.wav": "a.txt.json"}, {}),
        ("1.5 x.mp3 1.6 y.mp3 1.6 y.txt", {}, {}),
        ("a.wav a.srt", {"a.wav": "", "a.srt": ""}, {}),
        ("a.wav a.npy a.jpg", {"a.wav": ""}, {"a.npy": "part of a sample", "a.jpg": "picture"}),
        ("a.json readme.md", {}, {"a.json": "description", "readme.md": "side file"}),
        ("._a.wav .x/b.wav ./c.wav", {"./c.wav": ""}, {"._a.wav": "hidden file", ".x/b.wav": "hidden file"}),
        ("../a.wav /b.wav", {"../a.wav": "", "/b.wav": ""}, {}),
        ("large.wav large.txt", {"large.wav": "", "large.txt": ""}, {}),  # too long for a transcript
        ("a.cls b.speaker", {}, dict.fromkeys(["a.cls", "b.speaker"], "part of a sample")),
        ("clip other.bin", {"clip": "", "other.bin": ""}, {}),  # tried as recordings, as in a folder
    ],
)
def test_what_belongs_together(names: str, assets: dict[str, str], passed_over: dict[str, str]) -> None:
    if not assets and not passed_over:  # dots and spaces in names
        assets = {"1.5 x.mp3": "", "1.6 y.mp3": "1.6 y.txt"}
        one, others = found("1.5 x.mp3", "1.6 y.mp3", "1.6 y.txt")
        assert ({name: " ".join(parts) for name, parts in one.items()}, others) == (assets, {})
        return
    one, others = found(*names.split())
    assert {name: " ".join(parts) for name, parts in one.items()} == assets
    assert others == passed_over


def test_the_modality_of_the_input_chooses() -> None:
    names = ("a.flac", "a.txt", "a.json", "b.bin", "c.vtt")
    assert found(*names, modality="text") == (
        {"a.txt": ["a.json"], "c.vtt": []},
        {"a.flac": "recording", "b.bin": "other member"},
    )
    assert found(*names, modality="speech")[0] == {"a.flac": ["a.txt", "a.json"], "b.bin": [], "c.vtt": []}


def test_what_a_list_names_is_left_out_with_its_description() -> None:
    assert found("a.flac", "a.json", "b.flac", listed="a.flac") == ({"b.flac": []}, {})


def test_text_language_and_metadata_of_a_sample() -> None:
    parts = [
        ("a.json", b'{"language": "wo", "speaker": 7, "words": [1], "note": ""}'),
        ("a.txt", b"\xef\xbb\xbfUn. \n"),
    ]
    about, broken = describe([*parts, ("a.cls", b"3")], {}, True)
    assert (about.text, about.lang, about.metadata, broken) == ("Un.", "wo", {"speaker": "7", "cls": "3"}, [])
    about, _ = describe([("a.json", b'{"text": "b", "said": "c"}'), ("a.txt", b"d")], {"text": "said"}, True)
    assert (about.text, about.metadata) == ("c", {"text": "b", "txt": "d"})
    about, _ = describe([("a.json", b'{"text": "b", "lang": "fr"}')], {}, False)  # of a text
    assert (about.text, about.lang, about.metadata) == (None, "fr", {"text": "b"})


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.json", b"{'a': 1}", "Expecting property name"),
        ("a.json", b"[1]", "its JSON is no object"),
        ("a.json", b"[" * 99_999, "nested too deeply"),
        ("a.json", b'{"a": "\\ud800"}', "half"),
        ("a.txt", b"\xff\xfe\x00", "not UTF-8"),
    ],
)
def test_a_broken_description(name: str, data: bytes, reason: str) -> None:
    about, ((number, found),) = describe([("a.cls", b"1"), (name, data)], {}, True)
    assert (number, about.text, about.metadata) == (1, None, {"cls": "1"})
    assert reason in found
