import json
from pathlib import Path
from typing import Any

import pytest

from embed.archive.utterance_lists import (
    Utterance,
    broken_lines,
    is_audio_list,
    read_audio_list,
    recordings_of,
    resolved,
    span_of,
    uri_below,
)
from embed.text.documents import Broken


def write(path: Path, *lines: Any) -> str:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return str(path)


def test_lines_of_a_list(tmp_path: Path) -> None:
    url = write(
        tmp_path / "train.jsonl",
        {"audio_filepath": "clips/a.wav", "duration": 2.5, "text": "Nanga def", "lang": "wo", "speaker": 7},
        {"audio_filepath": "/far/b.wav", "offset": 1.0004, "duration": 1, "language": "fr", "text": ""},
    )
    assert is_audio_list(url, "v")
    assert list(read_audio_list(url, "v")) == [
        (1, Utterance(f"{tmp_path}/clips/a.wav", 0, 2500, "Nanga def", "wo", {"speaker": "7"})),
        (2, Utterance("/far/b.wav", 1000, 2000, None, "fr")),
    ]
    assert not is_audio_list(write(tmp_path / "corpus.jsonl", {"_id": "a", "text": "b"}), "v")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ({"duration": 1}, "no audio_filepath"),
        ({"audio_filepath": "a.wav"}, "no duration"),
        ({"audio_filepath": "a.wav", "duration": "1"}, "duration is '1'; give it in seconds"),
        ({"audio_filepath": "a.wav", "duration": float("nan")}, "duration is nan"),
        ({"audio_filepath": "a.wav", "duration": 0}, "duration must be over 0"),
        ({"audio_filepath": "a.wav", "duration": 1, "offset": -1}, "offset must not be negative"),
        ({"audio_filepath": "ftp://x/a.wav", "duration": 1}, "neither a local path nor s3"),
        ([1], "not a JSON object"),
    ],
)
def test_lines_that_name_no_stretch(tmp_path: Path, line: Any, reason: str) -> None:
    url = write(tmp_path / "a.jsonl", {"audio_filepath": "a.wav", "duration": 1}, line)
    (broken,) = broken_lines(url, "v")
    assert (broken.start, broken.end) == (1, 2)
    assert broken.reason.startswith("line 2: ")
    assert reason in broken.reason
    assert sum(isinstance(found, Broken) for _, found in read_audio_list(url, "v")) == 1


@pytest.mark.parametrize(
    ("start_ms", "end_ms", "fragment"), [(0, 2500, "#t=0,2.5"), (90_001, 3_600_000, "#t=90.001,3600")]
)
def test_a_fragment_and_back(start_ms: int, end_ms: int, fragment: str) -> None:
    assert Utterance("x", start_ms, end_ms, None, None).fragment() == fragment
    for uri in (f"radio/a.wav{fragment}", f"radio/a#t=b.wav{fragment}&n=2"):
        assert span_of(uri) == (start_ms, end_ms)
    assert list(recordings_of(f"radio/a.wav{fragment}&n=2")) == ["radio/a.wav"]
    assert list(recordings_of(f"radio/a.tar#member=b.wav{fragment}")) == ["radio/a.tar#member=b.wav", "radio/a.tar"]
    assert list(recordings_of("radio/a.parquet#row=7")) == ["radio/a.parquet"]
    assert list(recordings_of("radio/a.wav")) == []


def test_paths_are_relative_to_the_list() -> None:
    assert resolved("/data/lists", "../clips/./a.wav") == "/data/clips/a.wav"
    assert resolved("s3://bucket/lists", "../clips/a.wav") == "s3://bucket/clips/a.wav"
    assert resolved("s3://bucket/lists", "s3://other/a.wav") == "s3://other/a.wav"
    assert resolved("/data", "file:///far/a.wav") == "/far/a.wav"


def test_uris_are_below_the_name() -> None:
    assert uri_below("radio", "/data/radio", "/data/radio/x/a.wav") == "radio/x/a.wav"
    assert uri_below("radio", "/data/radio", "/data/radio2/a.wav") == "radio/data/radio2/a.wav"
    assert uri_below("radio", "s3://b/r", "s3://other/a.wav") == "radio/other/a.wav"


def test_each_slash_of_a_key_counts() -> None:
    keys = ("a/b.wav", "a//b.wav", "/b.wav", "b.wav", "//b.wav", " b.wav", "a/ b.wav", "100%.wav", "100%25.wav")
    uris = [uri_below("in", "s3://bucket/radio", f"s3://bucket/radio/{key}") for key in keys]
    assert uris == [f"in/{key}" for key in keys]
    assert uri_below("in", "/data", "/data/a/b.wav") == uri_below("in", "/", "/a/b.wav") == "in/a/b.wav"
    assert uri_below("in", "s3://bucket/radio", "s3://far/b.wav") == "in/far/b.wav"
    assert uri_below("in", "/data", "/data2/b.wav") == "in/data2/b.wav"
    places = {path: resolved("s3://bucket/radio", path) for path in ("a//b.wav", "./a/../b.wav", "../c.wav", "/d.wav")}
    assert places == {
        "a//b.wav": "s3://bucket/radio/a//b.wav",
        "./a/../b.wav": "s3://bucket/radio/b.wav",
        "../c.wav": "s3://bucket/c.wav",
        "/d.wav": "s3://bucket/radio/d.wav",
    }
