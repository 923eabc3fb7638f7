"""Metadata of the files of an input: from tags, catalogues, XML and bags, each with what it does not cover."""

from hashlib import md5
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed.archive.inputs import InputSpec
from embed.archive.manifest import Listed, list_inputs
from embed.base_spec import Spec
from embed.errors import InputError, SpecError
from embed.storage.store import join, write_bytes
from tests.embed.archive.metadata.test_bags import write_bag
from tests.embed.audio.tagged import write_tagged
from tests.embed.sounds import write_wave

DC = '<m xmlns:dc="http://purl.org/dc/elements/1.1/">{}</m>'


def listed(folder: Path | str, *sources: Any, known: Any = None, **fields: Any) -> Listed:
    return list_inputs([InputSpec(url=str(folder), name="in", metadata_from=sources, **fields)], known)


def described(found: Listed) -> dict[str, tuple[str | None, dict[str, str]]]:
    """Language and metadata of each asset without a problem, by its path below the input."""
    rows = (row for row in found.assets.to_pylist() if row["problem"] is None)
    return {row["uri"].removeprefix("in/"): (row["lang"], dict(row["metadata"])) for row in rows}


def problems(found: Listed) -> dict[str, str]:
    return {row["uri"]: row["problem"] for row in found.assets.to_pylist() if row["problem"] is not None}


def sound(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_wave(folder / name, np.full(16_000, 0.1, np.float32))


def test_what_is_most_particular_counts(tmp_path: Path) -> None:
    tags = {"title": "tag", "artist": "tag", "album": "tag", "comment": "tag", "date": "tag"}
    write_tagged(tmp_path / "a.mp3", tags)
    (tmp_path / "a.xml").write_text(
        DC.format("<dc:title>xml</dc:title><dc:date>xml</dc:date><dc:language>wo</dc:language>")
    )
    (tmp_path / "a.mp3.xml").write_text(DC.format("<dc:creator>own xml</dc:creator><dc:date>own xml</dc:date>"))
    (tmp_path / "list.csv").write_text("file,title,artist\na.mp3,list,list\n")
    (tmp_path / "metadata.csv").write_text("file_name,title\na.mp3,side\n")
    given = {"album": "input", "station": "input", "title": "input"}
    found = listed(tmp_path, "tags", "xml", "list.csv", metadata=given)
    assert described(found) == {
        "a.mp3": ("wo", {"title": "side", "artist": "list", "date": "own xml", "creator": "own xml", "album": "tag",
                         "comment": "tag", "station": "input", "language": "wo"}),
    }  # fmt: skip
    assert (problems(found), found.notes) == ({}, ())
    # What is not named is not read.
    assert described(listed(tmp_path, metadata=given, exclude=("list.csv",))) == {
        "a.mp3": (None, given | {"title": "side"})
    }
    assert described(listed(tmp_path, "tags", exclude=("*.csv",))) == {"a.mp3": (None, tags)}


def test_tags_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tagged(tmp_path / "a.mp3", {"title": "Journal"}, {0.0: "News"})
    sound(tmp_path, "b.wav")
    first = listed(tmp_path).assets
    assert first["tags"].null_count == 2
    with_tags = listed(tmp_path, "tags", known=first)
    assert described(with_tags)["a.mp3"][1] == {"title": "Journal", "chapters": '[{"start": 0.0, "title": "News"}]'}
    assert described(with_tags)["b.wav"][1] == {}
    monkeypatch.setattr("embed.audio.decode.tags", None)  # would raise
    monkeypatch.setattr("embed.audio.decode.probe", None)
    assert listed(tmp_path, "tags", known=with_tags.assets).assets.equals(with_tags.assets)
    assert described(listed(tmp_path, known=with_tags.assets))["a.mp3"][1] == {}


def test_a_catalogue_finds_files_under_any_name_that_is_certain(tmp_path: Path) -> None:
    sound(tmp_path, "1/a.wav", "1/\u00e9.wav", "2/B.wav", "2/twice.wav", "1/twice.wav", "3/none.wav", "4/bare.wav")
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/all.csv").write_text(
        "file,title,lang\n1/a.wav,one,fr\n1\\e\u0301.wav,two,\n../2/b.wav,three,\ntwice.wav,?,\nbare.WAV,five,\n/gone.wav,x,\n"
    )
    found = listed(tmp_path, "lists/all.csv", lang="wo")
    assert {name: (lang, about.get("title")) for name, (lang, about) in described(found).items()} == {
        "1/a.wav": ("fr", "one"), "1/\u00e9.wav": ("wo", "two"), "2/B.wav": ("wo", "three"),
        "4/bare.wav": ("wo", "five"), "1/twice.wav": ("wo", None), "2/twice.wav": ("wo", None),
        "3/none.wav": ("wo", None),
    }  # fmt: skip
    place = f"{tmp_path}/lists/all.csv"
    assert found.notes == (
        f"{place}: 2 rows name no file, as line 5: twice.wav",
        f"{place}: nothing about 3 of 7 files, as {tmp_path}/1/twice.wav",
    )
    assert found.passed_over.to_pylist() == [{"uri": "in/lists/all.csv", "kind": "metadata file"}]


def test_a_catalogue_elsewhere_and_two_of_them(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    sound(archive, "a.wav", "b.wav")
    (tmp_path / "one.csv").write_text("Datei,title\na.wav,one\n")
    (tmp_path / "two.jsonl").write_text('{"file": "archive/a.wav", "title": "two", "date": "2001"}\n')
    one = {"catalogue": str(tmp_path / "one.csv"), "columns": {"file": "Datei"}}
    found = listed(archive, one, str(tmp_path / "two.jsonl"))
    assert described(found) == {"a.wav": (None, {"title": "one", "date": "2001"}), "b.wav": (None, {})}
    single = listed(archive / "a.wav", str(tmp_path / "two.jsonl"))
    assert described(single) == {"in": (None, {"title": "two", "date": "2001"})}


def test_rows_that_disagree_or_break_are_one_failure_by_name(tmp_path: Path) -> None:
    sound(tmp_path, "a.wav", "b.wav")
    text = 'file,title\na.wav,first\nb.wav,same\n./b.wav,same\n,nameless\n"a.wav",second\n'
    (tmp_path / "list.csv").write_text(text)
    found = listed(tmp_path, "list.csv")
    assert {name: about["title"] for name, (_, about) in described(found).items()} == {
        "a.wav": "first",
        "b.wav": "same",
    }
    assert problems(found) == {
        "in/list.csv": f"DescriptionError: {tmp_path}/list.csv: line 5: no file; lines 2 and 6 both describe a.wav,"
        " differently; remove one"
    }


def test_a_source_that_is_missing_or_unknown_is_an_error(tmp_path: Path) -> None:
    sound(tmp_path, "a.wav")
    with pytest.raises(InputError, match=r"gone.csv: no such file, neither below .* nor by itself; correct"):
        listed(tmp_path, "gone.csv")
    (tmp_path / "list.csv").write_text("name,title\n")
    with pytest.raises(InputError, match="no column 'file'"):
        listed(tmp_path, "list.csv")
    for wrong, reason in (
        (["tag"], "'tag' is none of tags, xml, bag, and no .csv, .tsv or .jsonl"),
        ("tags", "must be a list"),
        ([{"catalogue": "a.xlsx"}], "a catalogue is a .csv, .tsv or .jsonl"),
        ([{"catalogue": "a.csv", "file": "x"}], "unknown field"),
    ):
        with pytest.raises(SpecError, match=reason):
            _Inputs.parse({"inputs": [{"url": "x", "metadata_from": wrong}]})
    assert "metadata_from" not in InputSpec(url="x").defining()


class _Inputs(Spec):
    inputs: tuple[InputSpec, ...]


def test_xml_next_to_a_recording(tmp_path: Path) -> None:
    sound(tmp_path, "a.wav", "b.wav", "c.wav")
    (tmp_path / "a.XML").write_text(DC.format("<dc:title>A</dc:title>"))
    (tmp_path / "b.xml").write_text("<a><b></a>")
    (tmp_path / "c.xml").write_text("<other/>")
    (tmp_path / "alone.xml").write_text("broken")
    found = listed(tmp_path, "xml")
    assert described(found) == {"a.wav": (None, {"title": "A"}), "b.wav": (None, {}), "c.wav": (None, {})}
    assert list(problems(found)) == ["in/b.xml"]
    assert "DescriptionError" in problems(found)["in/b.xml"]
    assert found.notes == (
        f"{tmp_path}: 1 XML file has nothing of Dublin Core, EBUCore or PBCore 2, as {tmp_path}/c.xml",
        f"{tmp_path}, xml: nothing about 2 of 3 files, as {tmp_path}/b.wav",
    )


def test_a_bag_is_verified_and_only_its_payload_read(tmp_path: Path) -> None:
    sound(tmp_path / "sounds", "good.wav", "bad.wav", "gone.wav")
    files = {path.name: path.read_bytes() for path in (tmp_path / "sounds").iterdir()}
    bag = write_bag(tmp_path / "bag", files, "Source-Organization: RTS\nDC-Title: All of it\n")
    changed = bytearray(files["bad.wav"])
    changed[-2] ^= 1
    (bag / "data/bad.wav").write_bytes(changed)
    (bag / "data/gone.wav").unlink()
    sound(bag, "data/new.wav", "aside.wav")
    found = listed(bag, "bag", metadata={"title": "input"})
    assert described(found) == {"data/good.wav": (None, {"title": "All of it", "Source-Organization": "RTS"})}
    reasons = {
        name: next(text for uri, text in problems(found).items() if name in uri) for name in ("bad", "gone", "new")
    }
    assert len(problems(found)) == 3
    assert "its sha256 is" in reasons["bad"]
    assert "missing from the bag" in reasons["gone"]
    assert f"not in {bag}/manifest-sha256.txt" in reasons["new"]
    assert {row["uri"] for row in found.passed_over.to_pylist()} == {
        f"in/{name}" for name in
        ("aside.wav", "bag-info.txt", "bagit.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt")
    }  # fmt: skip
    (bag / "data/bad.wav").write_bytes(files["bad.wav"])
    assert set(described(listed(bag, "bag", known=found.assets))) == {"data/good.wav", "data/bad.wav"}
    assert listed(tmp_path / "sounds", "bag").notes[0].startswith(f"{tmp_path}/sounds: no bagit.txt in it")


@pytest.mark.slow
def test_sources_on_s3(s3_url: str, tmp_path: Path) -> None:
    write_tagged(tmp_path / "a.mp3", {"title": "Journal"})
    for name, data in {
        "bag/data/x/a.mp3": (tmp_path / "a.mp3").read_bytes(),
        "bag/data/x/a.xml": DC.format("<dc:language>fr</dc:language>").encode(),
        "bag/bagit.txt": b"BagIt-Version: 1.0",
        "bag/manifest-md5.txt": f"{md5((tmp_path / 'a.mp3').read_bytes()).hexdigest()} data/x/a.mp3\n".encode(),
        "bag/bag-info.txt": b"Source-Organization: RTS",
        "list.csv": b"file,date\na.mp3,1999\n",
    }.items():
        write_bytes(join(s3_url, "described", name), data)
    found = listed(join(s3_url, "described"), "tags", "xml", "bag", "list.csv")
    metadata = {"title": "Journal", "date": "1999", "language": "fr", "Source-Organization": "RTS"}
    assert described(found) == {"bag/data/x/a.mp3": ("fr", metadata)}
    assert (problems(found), found.notes) == ({}, ())
