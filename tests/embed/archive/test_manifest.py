import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import soundfile

from embed import tables
from embed.archive import manifest
from embed.archive.assets import Asset
from embed.archive.inputs import InputSpec
from embed.archive.manifest import list_assets
from embed.errors import InputError, SpecError
from embed.identity import asset_id
from embed.segmentation.units import plan_units
from embed.storage import store
from tests.embed import sounds
from tests.embed.films import Track, film
from tests.embed.sounds import CUTTING


def tone(path: Path, seconds: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.sin(np.arange(int(seconds * 16_000)) / 5.8).astype(np.float32), 16_000)


def test_assets_are_listed_with_uris_durations_and_what_is_known(tmp_path: Path) -> None:
    tone(tmp_path / "radio/2024/b.flac", 2.5)
    tone(tmp_path / "radio/a.wav", 1)
    (tmp_path / "radio/notes.txt").write_text("Bonjour.")
    (tmp_path / "radio/.hidden").write_text("x")
    found = list_assets([InputSpec(url=str(tmp_path / "radio"), lang="wo", metadata={"station": "Sud"})])
    assert found.schema == tables.MANIFEST
    rows = found.to_pylist()
    assert [(row["uri"], row["modality"], row["duration_s"]) for row in rows] == [
        ("radio/2024/b.flac", "speech", 2.5),
        ("radio/a.wav", "speech", 1.0),
        ("radio/notes.txt", "text", None),
    ]
    assert all(row["lang"] == "wo" and row["metadata"] == [("station", "Sud")] for row in rows)
    assert all(row["problem"] is None and row["size_bytes"] > 0 for row in rows)


def test_ids_survive_a_move_and_versions_follow_content(tmp_path: Path) -> None:
    tone(tmp_path / "one/radio/a.wav", 1)
    tone(tmp_path / "two/radio/a.wav", 2)
    one, two = (
        list_assets([InputSpec(url=str(tmp_path / place / "radio"))]).to_pylist()[0] for place in ("one", "two")
    )
    assert one["asset_id"] == two["asset_id"]
    assert one["content_version"] != two["content_version"]


def test_a_single_file_is_named_by_itself(tmp_path: Path) -> None:
    tone(tmp_path / "a.wav", 1)
    assert list_assets([InputSpec(url=str(tmp_path / "a.wav"))])["uri"].to_pylist() == ["a.wav"]


def test_what_cannot_be_probed_is_a_row_with_its_problem(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "report.docx").write_bytes(b"PK\x03\x04 not sound")
    (tmp_path / "text.wav").write_text("Bonjour, ceci est un texte.\n" * 50)
    problems = dict(
        zip(*list_assets([InputSpec(url=str(tmp_path), name="in")]).select(["uri", "problem"]), strict=True)
    )
    found = {uri.as_py(): problem.as_py() for uri, problem in problems.items()}
    assert found["in/empty.wav"].startswith("InputError: ")
    assert "empty file" in found["in/empty.wav"]
    assert found["in/report.docx"].startswith("UnsupportedFormat: ")
    assert found["in/text.wav"].startswith("UnsupportedFormat: ")


def test_missing_and_empty_inputs_are_errors_that_name_the_url(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent.*no such file"):
        list_assets([InputSpec(url=str(tmp_path / "absent"))])
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare/README").write_text("x")
    with pytest.raises(InputError, match=r"bare.*only 1 side file;"):
        list_assets([InputSpec(url=str(tmp_path / "bare"))])


def test_two_inputs_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="both named 'radio'"):
        list_assets([InputSpec(url=str(tmp_path / "a/radio")), InputSpec(url=str(tmp_path / "b/radio"))])


@pytest.mark.s3
def test_s3_and_local_give_the_same_ids(tmp_path: Path, s3_url: str) -> None:
    tone(tmp_path / "radio/x/a.wav", 1)
    store.write_bytes(store.join(s3_url, "radio", "x", "a.wav"), (tmp_path / "radio/x/a.wav").read_bytes())
    local = list_assets([InputSpec(url=str(tmp_path / "radio"))]).to_pylist()[0]
    remote = list_assets([InputSpec(url=f"{s3_url}/radio")]).to_pylist()[0]
    assert (remote["asset_id"], remote["uri"], remote["duration_s"]) == (local["asset_id"], "radio/x/a.wav", 1.0)
    assert remote["content_version"].startswith("etag:")


def test_what_is_known_is_not_probed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "in"
    for name, seconds in (("a.wav", 1), ("b.wav", 2), ("c.wav", 3)):
        tone(folder / name, seconds)
    (folder / "d.csv").write_text("text\none\ntwo\n")
    (folder / "e.wav").write_text("Bonjour, ceci est un texte.\n" * 50)
    known = list_assets([InputSpec(url=str(folder))])
    assert known["items"].to_pylist() == [None, None, None, 2, None]

    tone(folder / "b.wav", 4)
    tone(folder / "f.wav", 5)
    (folder / "c.wav").unlink()
    looked: list[str] = []
    plain = manifest._probed

    def probed(asset: Asset) -> manifest.Probed:
        looked.append(asset.uri)
        return plain(asset)

    monkeypatch.setattr(manifest, "_probed", probed)
    told: list[tuple[int, int]] = []
    found = list_assets([InputSpec(url=str(folder), lang="wo")], known, lambda done, of: told.append((done, of)))
    assert sorted(looked) == ["in/b.wav", "in/e.wav", "in/f.wav"]
    rows = {row["uri"]: row for row in found.to_pylist()}
    assert [(uri, row["duration_s"], row["items"]) for uri, row in rows.items()] == [
        ("in/a.wav", 1.0, None),
        ("in/b.wav", 4.0, None),
        ("in/d.csv", None, 2),
        ("in/e.wav", None, None),
        ("in/f.wav", 5.0, None),
    ]
    assert {row["lang"] for row in rows.values()} == {"wo"}
    assert rows["in/e.wav"]["problem"] is not None
    assert told == sorted(told)
    assert told[-1] == (5, 5)
    assert found.schema == tables.MANIFEST
    mapped = list_assets([InputSpec(url=str(folder), columns={"text": "body"})], found)
    assert "no column 'body'" in mapped.to_pylist()[2]["problem"]


def test_what_was_forgotten_is_left_out_with_its_utterances(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        tone(tmp_path / name, 1)
    lines = [{"audio_filepath": "b.wav", "duration": 0.5}, {"audio_filepath": "b.wav", "offset": 0.5, "duration": 0.5}]
    (tmp_path / "list.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    inputs = [InputSpec(url=str(tmp_path), name="in")]

    def left(*uris: str) -> list[str]:
        found: list[str] = list_assets(inputs, forgotten={asset_id(uri) for uri in uris})["uri"].to_pylist()
        return found

    assert left() == ["in/a.wav", "in/b.wav#t=0,0.5", "in/b.wav#t=0.5,1"]
    assert left("in/a.wav", "in/b.wav#t=0,0.5") == ["in/b.wav#t=0.5,1"]
    assert left("in/b.wav") == ["in/a.wav"]
    assert left("in/a.wav", "in/b.wav") == []


def test_a_mapping_goes_with_its_tables(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("body\none\n")
    (tmp_path / "a.txt").write_text("one\n")
    found = list_assets([InputSpec(url=str(tmp_path), columns={"text": "body"})]).to_pylist()
    assert [row["columns"] for row in found] == [[("text", "body")], None]


def test_a_track_is_chosen_once_recorded_and_part_of_ids_where_it_is_another(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    silence, high, low = sounds.tone(2, 300, 0.0), sounds.tone(2, 800), sounds.tone(2, 300)
    film(folder / "a.mkv", *(Track(wave, "flac") for wave in (silence, high, low)))
    film(folder / "b.mka", Track(low, "flac"))
    found = list_assets([InputSpec(url=str(folder))])
    assert found.select(["track", "tracks"]).to_pylist() == [
        {"track": None, "tracks": [1]},
        {"track": None, "tracks": None},
    ]

    def ids(assets: pa.Table) -> list[bytes]:
        units = plan_units(assets, CUTTING)
        assert units["tracks"].to_pylist() == assets["tracks"].to_pylist()
        return list(units["unit_id"].to_pylist())

    plain = ids(found.set_column(found.schema.get_field_index("tracks"), "tracks", pa.nulls(2, found["tracks"].type)))
    assert ids(found)[0] != plain[0]
    assert ids(found)[1] == plain[1]
    named = list_assets([InputSpec(url=str(folder), track=2)], found)
    assert named["tracks"].to_pylist() == [[2], [2]]
    assert [bool(problem and "no track 2" in problem) for problem in named["problem"].to_pylist()] == [False, True]
    assert len({ids(named)[0], ids(found)[0], plain[0]}) == 3
    first = list_assets([InputSpec(url=str(folder), track=0)], named)
    assert first["tracks"].to_pylist() == [[0], None]
    assert ids(first) == plain  # the first track is what a recording of one has
    assert list_assets([InputSpec(url=str(folder))], first).equals(found)
