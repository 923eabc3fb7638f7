import json
from pathlib import Path
from typing import Any

import pytest

from embed.archive.inputs import InputSpec
from embed.archive.listing import Asset, Found, found_in
from embed.errors import InputError
from embed.storage import store


def assets(folder: Path, **about: Any) -> dict[str, Asset]:
    found = found_in(InputSpec(url=str(folder), **{"name": "in", **about}))
    listed = list(found)
    assert len(listed) == found.num
    assert len({one.uri for one in listed}) == len(listed)
    return {one.uri: one for one in listed}


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def write_list(path: Path, *lines: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def test_files_by_their_suffixes(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav", "b.TXT", "c.jsonl", "d.csv.gz", "e.tsv", "f.parquet", "g.txt.gz", ".h", "README.md")
    touch(tmp_path, "i.md", "j.rst", "k.htm", "l.html.gz", "m.srt", "n.vtt")
    found = assets(tmp_path, columns={"text": "body"}, lang="wo", metadata={"station": "Sud"})
    assert {uri: (one.modality, one.format) for uri, one in found.items()} == {
        "in/a.wav": ("speech", "audio"),
        "in/b.TXT": ("text", "txt"),
        "in/c.jsonl": ("text", "jsonl"),
        "in/d.csv.gz": ("text", "csv"),
        "in/e.tsv": ("text", "csv"),
        "in/f.parquet": ("text", "parquet"),
        "in/g.txt.gz": ("speech", "audio"),
        "in/i.md": ("text", "txt"),
        "in/j.rst": ("text", "txt"),
        "in/k.htm": ("text", "html"),
        "in/l.html.gz": ("text", "html"),
        "in/m.srt": ("text", "subtitles"),
        "in/n.vtt": ("text", "subtitles"),
    }
    assert found["in/e.tsv"].columns == {"text": "body"}
    assert found["in/b.TXT"].columns == found["in/a.wav"].columns == {}
    assert {(one.lang, one.metadata["station"]) for one in found.values()} == {("wo", "Sud")}


def test_a_list_speaks_of_its_recordings(tmp_path: Path) -> None:
    touch(tmp_path, "in/clips/a.wav", "in/clips/own.wav", "far/b.wav")
    write_list(
        tmp_path / "in/lists/train.jsonl",
        {"audio_filepath": "../clips/a.wav", "duration": 2, "text": "Un.", "lang": "fr", "speaker": "Awa"},
        {"audio_filepath": "../clips/a.wav", "offset": 2, "duration": 1.25},
        {"audio_filepath": "../clips/a.wav", "offset": 2, "duration": 1.25, "text": "Again."},
        {"audio_filepath": str(tmp_path / "far/b.wav"), "duration": 2},
        {"audio_filepath": "../clips/gone.wav", "duration": 2},
        {"audio_filepath": "../clips/a.wav"},
    )
    found = assets(tmp_path / "in", lang="wo", metadata={"station": "Sud"})
    far = f"in{tmp_path}/far/b.wav#t=0,2"
    assert list(found) == [
        "in/clips/own.wav",
        "in/clips/a.wav#t=0,2",
        "in/clips/a.wav#t=2,3.25",
        "in/clips/a.wav#t=2,3.25&n=2",
        far,
        "in/clips/gone.wav#t=0,2",
        "in/lists/train.jsonl",
    ]
    first = found["in/clips/a.wav#t=0,2"]
    assert (first.format, first.start_ms, first.end_ms, first.text, first.lang) == ("utterance", 0, 2000, "Un.", "fr")
    assert first.metadata == {"station": "Sud", "speaker": "Awa"}
    assert first.url == str(tmp_path / "in/clips/a.wav")
    assert (found[far].url, found[far].size_bytes, found[far].lang) == (str(tmp_path / "far/b.wav"), 1, "wo")
    problems = {uri: one.problem for uri, one in found.items() if one.problem}
    assert set(problems) == {"in/clips/gone.wav#t=0,2", "in/lists/train.jsonl"}
    assert "no such file; line 5 of" in str(problems["in/clips/gone.wav#t=0,2"])
    assert "line 6: no duration" in str(problems["in/lists/train.jsonl"])


def test_a_list_by_itself_may_be_named_json(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav")
    write_list(tmp_path / "train_manifest.json", {"audio_filepath": "a.wav", "duration": 1})
    found = assets(tmp_path / "train_manifest.json", name="")
    assert list(found) == ["train_manifest.json/a.wav#t=0,1"]
    assert list(assets(tmp_path)) == ["in/a.wav"]


def test_lists_are_plain_lines_where_all_is_text(tmp_path: Path) -> None:
    write_list(tmp_path / "a.jsonl", {"audio_filepath": "a.wav", "duration": 1, "text": "Un."})
    assert [one.format for one in assets(tmp_path, modality="text").values()] == ["jsonl"]


def test_a_side_file_speaks_of_the_files_beside_it(tmp_path: Path) -> None:
    touch(tmp_path, "train/a.wav", "train/b.wav", "b.wav")
    (tmp_path / "train/metadata.csv").write_text("file_name,speaker,lang\na.wav,Awa,wo\ngone.wav,Bo,\n")
    found = assets(tmp_path, metadata={"station": "Sud", "speaker": "?"})
    assert list(found) == ["in/b.wav", "in/train/a.wav", "in/train/b.wav", "in/train/gone.wav"]
    assert (found["in/train/a.wav"].lang, found["in/train/a.wav"].metadata["speaker"]) == ("wo", "Awa")
    assert (found["in/train/b.wav"].lang, found["in/train/b.wav"].metadata["speaker"]) == (None, "?")
    assert "a side file names it" in str(found["in/train/gone.wav"].problem)


def test_a_side_file_with_broken_rows_fails_by_itself(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav")
    write_list(tmp_path / "metadata.jsonl", {"file_name": "a.wav"}, {"speaker": "x"})
    found = assets(tmp_path)
    assert (found["in/metadata.jsonl"].format, "row 1: no file_name" in str(found["in/metadata.jsonl"].problem)) == (
        "list",
        True,
    )


def test_a_table_named_metadata_may_be_a_text(tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_text("id,text\n1,Un.\n")
    assert assets(tmp_path)["in/metadata.csv"].format == "csv"


def test_nothing_to_embed_is_an_error_that_names_the_url(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent.*no such file"):
        found_in(InputSpec(url=str(tmp_path / "absent")))


@pytest.mark.s3
def test_a_list_on_s3(s3_url: str) -> None:
    store.write_bytes(f"{s3_url}/lists/radio/a.wav", b"x")
    store.write_bytes(f"{s3_url}/lists/radio/list.jsonl", b'{"audio_filepath": "a.wav", "duration": 1}')
    found: Found = found_in(InputSpec(url=f"{s3_url}/lists/radio"))
    assert [(one.uri, one.url) for one in found] == [("radio/a.wav#t=0,1", f"{s3_url}/lists/radio/a.wav")]
