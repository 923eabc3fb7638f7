import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from embed.archive.cuts import is_cut, stretches
from embed.archive.utterance_lists import Utterance, is_audio_list, read_audio_list
from embed.text.documents import Broken


def cut(**changed: Any) -> dict[str, Any]:
    """As lhotse 1.33 writes it."""
    source = {"type": "file", "channels": [0], "source": "sounds/a.wav"}
    recording = {"id": "a", "sources": [source], "sampling_rate": 16000, "num_samples": 96000, "duration": 6.0}
    supervisions = [
        {"id": "s1", "recording_id": "a", "start": 0.5, "duration": 2, "channel": 0, "text": "un", "language": "fr"},
        {"id": "s2", "recording_id": "a", "start": 3, "duration": 2, "channel": 0, "speaker": "A", "custom": {"x": 1}},
    ]
    values = {"id": "c", "start": 1.0, "duration": 5.0, "channel": 0, "supervisions": supervisions}
    return {**values, "recording": recording, "custom": {"place": "Dakar"}, "type": "MonoCut", **changed}


def sources(*found: dict[str, Any], **about: Any) -> dict[str, Any]:
    return cut(recording={"id": "a", "sources": list(found), **about})


@pytest.mark.parametrize("name", ["cuts.jsonl", "cuts.jsonl.gz"])
def test_a_supervision_is_an_utterance(name: str, tmp_path: Path) -> None:
    data = f"{json.dumps(cut())}\n{json.dumps(cut(id='whole', supervisions=[]))}\n".encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    assert is_audio_list(f"{tmp_path}/{name}", "1")
    found = [one for _, one in read_audio_list(f"{tmp_path}/{name}", "1") if isinstance(one, Utterance)]
    assert [(one.start_ms, one.end_ms, one.text, one.lang) for one in found] == [
        (1500, 3500, "un", "fr"),
        (4000, 6000, None, None),
        (1000, 6000, None, None),
    ]
    assert [one.metadata for one in found] == [
        {"place": "Dakar", "id": "s1"},
        {"place": "Dakar", "id": "s2", "speaker": "A", "x": "1"},
        {"place": "Dakar", "id": "whole"},
    ]
    assert {one.url for one in found} == {f"{tmp_path}/sounds/a.wav"}


def test_a_supervision_is_within_its_cut() -> None:
    spans = [{"start": -1, "duration": 2}, {"start": 4, "duration": 99}]
    found = [one.fields for one in stretches(cut(supervisions=spans), "cuts.jsonl")]
    assert [(one["offset"], one["duration"]) for one in found] == [(1.0, 1.0), (5.0, 1.0)]


def test_the_tar_of_a_shar() -> None:
    shar = sources({"type": "shar", "channels": [0], "source": ""})
    assert {(one.path, one.tar) for one in stretches(shar, "cuts.000017.jsonl.gz")} == {("c", "recording.000017.tar")}


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (cut(type="MixedCut", tracks=[]), "a MixedCut without one recording is not read"),
        (cut(recording=None), "a MonoCut without one recording"),
        (sources({"type": "memory", "source": "UklGRg=="}), "its sound is of type 'memory'"),
        (sources({"type": "command", "source": "sox a.sph"}), "its sound is of type 'command'"),
        (sources({"type": "file", "source": "a"}, {"type": "file", "source": "b"}), "is not one file"),
        (sources({"type": "file", "source": "a"}, transforms=[{"name": "Speed"}]), "is changed by transforms"),
        (cut(duration=None), "duration is None; give it in seconds"),
        (cut(supervisions=[{"id": "s", "start": 9, "duration": 1}]), "supervision 's', 9 to 10 s, is outside"),
        (cut(supervisions=["s"]), "a supervision is no object"),
    ],
)
def test_cuts_that_cannot_be_read(broken: dict[str, Any], reason: str, tmp_path: Path) -> None:
    assert is_cut(broken)
    (tmp_path / "cuts.jsonl").write_text(f"{json.dumps(broken)}\n{json.dumps(cut())}\n")
    first, *others = [one for _, one in read_audio_list(f"{tmp_path}/cuts.jsonl", "1")]
    assert isinstance(first, Broken)
    assert reason in first.reason
    assert len(others) == 2
