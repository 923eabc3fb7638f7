import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
import soundfile

from embed.archive.inputs import InputSpec
from embed.archive.joined_transcripts import DIGEST
from embed.archive.manifest import Listed, list_inputs
from embed.errors import SpecError
from embed.segmentation.cut import cut
from embed.segmentation.units import plan_units
from embed.spec import EmbedSpec
from embed.storage import store
from tests.embed.sounds import CUTTING, LETTERS, tone, units_of

VTT = "WEBVTT\n\n00:00.000 --> 00:02.000\nBonjour.\n"
_WAVE = io.BytesIO()
soundfile.write(_WAVE, tone(2, 440), 16_000, format="WAV")
WAVE = _WAVE.getvalue()
WHISPER = json.dumps({"text": "", "segments": [{"start": 0, "end": 2, "text": "Bonjour."}]})


def write(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        if path.suffix in (".wav", ".flac"):
            path.write_bytes(WAVE)
        else:
            path.write_text(WHISPER if path.suffix == ".json" else VTT)


def listed(folder: Path, known: Listed | None = None, **about: Any) -> Listed:
    spec = InputSpec.parse({"url": str(folder), "name": "in", "transcripts": "joined", **about})
    return list_inputs([spec], known and known.assets)


def joined(found: Listed) -> dict[str, str | None]:
    """The transcript of each asset, by its name."""
    rows = found.assets.to_pylist()
    urls = {row["uri"].removeprefix("in/"): dict(row["columns"] or ()).get("transcript") for row in rows}
    return {name: url and url.rpartition("/")[2] for name, url in urls.items()}


@pytest.mark.parametrize(
    ("names", "expected", "kinds"),
    [
        (["a.wav", "a.vtt"], {"a.wav": "a.vtt"}, {"transcript": 1}),
        (["a.wav", "a.fr.srt"], {"a.wav": "a.fr.srt"}, {"transcript": 1}),
        (["a.b.wav", "a.b.pt-BR.TextGrid"], {"a.b.wav": "a.b.pt-BR.TextGrid"}, {"transcript": 1}),
        (["a.wav", "a.wav.ctm"], {"a.wav": "a.wav.ctm"}, {"transcript": 1}),
        (["a.wav", "a.json"], {"a.wav": "a.json"}, {"description": 1}),
        # Of one language, the first kind; JSON, which may be anything, is the last.
        (["a.wav", "a.json", "a.srt", "a.vtt"], {"a.wav": "a.vtt"}, {"unused transcript": 1, "transcript": 1}),
        # The input's language, else none, else the first.
        (["a.wav", "a.de.vtt", "a.wo-SN.vtt", "a.vtt"], {"a.wav": "a.wo-SN.vtt"}, {"unused transcript": 2}),
        (["a.wav", "a.fr.vtt", "a.de.vtt"], {"a.wav": "a.de.vtt"}, {"unused transcript": 1, "transcript": 1}),
        # The whole name comes first; a language is one, and folders count.
        (["a.wav", "a.fr.wav", "a.fr.vtt"], {"a.wav": None, "a.fr.wav": "a.fr.vtt"}, {"transcript": 1}),
        (["a.wav", "a.part1.vtt", "x/a.vtt"], {"a.wav": None, "a.part1.vtt": None, "x/a.vtt": None}, {}),
        (["a.wav", "a.flac", "a.vtt"], {"a.wav": "a.vtt", "a.flac": "a.vtt"}, {"transcript": 1}),
        # No recording: subtitles stay texts, the others no reader knows.
        (["b.wav", "a.vtt", "a.TextGrid", "a.json"], {"b.wav": None, "a.vtt": None}, {"unused transcript": 1}),
    ],
)  # fmt: skip
def test_which_file_is_the_transcript_of_which_recording(
    tmp_path: Path, names: list[str], expected: dict[str, str | None], kinds: dict[str, int]
) -> None:
    write(tmp_path, *names)
    found = listed(tmp_path, lang="wo")
    assert joined(found) == expected
    passed = [row["kind"] for row in found.passed_over.to_pylist()]
    assert {kind: passed.count(kind) for kind in kinds} == kinds
    assert f"{sum(map(bool, expected.values()))} recording" in found.notes[0]


def test_apart_is_as_ever_with_a_hint(tmp_path: Path) -> None:
    write(tmp_path, "a.wav", "a.fr.vtt", "b.wav", "b.json", "c.srt")
    found = listed(tmp_path, transcripts="apart")
    assert joined(found) == dict.fromkeys(["a.fr.vtt", "a.wav", "b.wav", "c.srt"])
    (note,) = found.notes
    assert "1 recording with a transcript of the same name; set `transcripts: joined`" in note
    (tmp_path / "a.fr.vtt").unlink()
    assert listed(tmp_path, transcripts="apart").notes == ()


def test_a_language_in_the_name_is_kept(tmp_path: Path) -> None:
    """It is the recording's only where nothing else is known: the transcript may be a translation."""
    write(tmp_path, "a.wav", "a.fr.vtt", "b.wav", "b.vtt")
    for lang, expected in (("wo", "wo"), (None, "fr")):
        first, second = listed(tmp_path, lang=lang).assets.to_pylist()
        assert (first["lang"], dict(first["metadata"])) == (expected, {"transcript_lang": "fr"})
        assert (second["lang"], second["metadata"]) == (lang, [])


def test_globs_choose_the_recordings_and_an_excluded_transcript_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, "a.wav", "a.vtt", "b.wav", "b.vtt", "c.wav", "c.vtt")
    assert joined(listed(tmp_path, include=["*.wav"], exclude=["b.vtt", "c.wav"])) == {"a.wav": "a.vtt", "b.wav": None}


def test_a_single_file_has_no_transcript_and_says_so(tmp_path: Path) -> None:
    write(tmp_path, "a.wav", "a.vtt")
    found = listed(tmp_path / "a.wav")
    assert joined(found) == {"in": None}
    assert "give its folder as `url`, and its name as `include`" in found.notes[0]
    assert joined(listed(tmp_path, include=["a.wav"])) == {"a.wav": "a.vtt"}


def test_a_transcript_decides_the_units_of_its_recording_by_its_content(tmp_path: Path) -> None:
    """Recordings without one keep their units; a copy with another time changes nothing."""
    write(tmp_path, "a.wav", "b.wav")
    plain = units_of(tmp_path)["unit_id"].to_pylist()

    def units(before: Listed | None = None) -> tuple[Listed, list[bytes]]:
        found = listed(tmp_path, before, name="archive")
        return found, plan_units(found.assets, CUTTING)["unit_id"].to_pylist()

    assert units()[1] == plain
    write(tmp_path, "a.vtt")
    first, with_one = units()
    assert with_one[0] != plain[0]
    assert with_one[1] == plain[1]
    os.utime(tmp_path / "a.vtt", (1, 1))
    touched, same = units(first)
    assert same == with_one
    (tmp_path / "a.vtt").write_text(VTT.replace("Bonjour", "Bonsoir"))
    assert units(touched)[1][0] not in (plain[0], with_one[0])
    (tmp_path / "a.vtt").unlink()
    assert units(touched)[1] == plain


def test_json_of_another_kind_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, "a.wav")
    plain = units_of(tmp_path)["unit_id"]
    (tmp_path / "a.json").write_text('{"title": "Le marché"}')
    found = listed(tmp_path, name="archive")
    assert dict(found.assets["columns"][0].as_py())[DIGEST] == ""
    assert plan_units(found.assets, CUTTING)["unit_id"].equals(plain)


def test_cutting_by_transcripts_requires_them() -> None:
    values = {"output": "out", "segment": {"mode": "transcript"}}
    with pytest.raises(SpecError, match="set `transcripts: joined` for one"):
        EmbedSpec.parse({**values, "inputs": [{"url": "a"}]})
    EmbedSpec.parse({**values, "inputs": [{"url": "a"}, {"url": "b", "transcripts": "joined"}]})


@pytest.mark.s3
def test_transcripts_on_s3(s3_url: str) -> None:
    url = f"{s3_url}/joined"
    for name, data in (("a.wav", WAVE), ("a.fr.vtt", VTT.encode()), ("b.wav", WAVE), ("b.json", WHISPER.encode())):
        store.write_bytes(f"{url}/x/{name}", data)
    found = list_inputs([InputSpec(url=url, name="in", transcripts="joined")])
    assert joined(found) == {"x/a.wav": "a.fr.vtt", "x/b.wav": "b.json"}
    rows = cut(plan_units(found.assets, CUTTING), CUTTING, LETTERS).to_pylist()
    assert [[one["text"] for one in row["segments"]] for row in rows] == [["Bonjour."]] * 2
