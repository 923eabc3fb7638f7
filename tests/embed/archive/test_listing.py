import gzip
import json
import os
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from embed.archive.assets import Asset
from embed.archive.inputs import InputSpec
from embed.archive.listing import Found, found_in
from embed.archive.side_files import broken_rows
from embed.archive.utterance_lists import broken_lines
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
    found = assets(tmp_path / "in", lang="wo", metadata={"station": "Sud"}, follow="outside")
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


def test_recordings_with_the_names_of_side_files(tmp_path: Path) -> None:
    touch(tmp_path, "Authors.wav", "copyright.wav", "desktop.wav", "README", "Thumbs.db", "a/cover.jpg", ".a.wav")
    found = found_in(InputSpec(url=str(tmp_path), name="in"))
    assert [one.uri for one in found] == ["in/Authors.wav", "in/copyright.wav", "in/desktop.wav"]
    assert sorted(found.passed_over()) == [
        ("in/.a.wav", "hidden file"),
        ("in/README", "side file"),
        ("in/Thumbs.db", "side file"),
        ("in/a/cover.jpg", "picture"),
    ]


def test_globs_choose_files_and_do_not_change_ids(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav", "drafts/b.wav", "c.mp3")
    (tmp_path / "metadata.csv").write_text("file_name,lang\na.wav,wo\ndrafts/b.wav,fr\n")
    write_list(
        tmp_path / "list.jsonl", *({"audio_filepath": name, "duration": 1} for name in ("c.mp3", "drafts/b.wav"))
    )
    every, some = assets(tmp_path), assets(tmp_path, exclude=["drafts"])
    assert set(every) - set(some) == {"in/drafts/b.wav#t=0,1"}
    assert all(every[uri] == one for uri, one in some.items())
    assert list(assets(tmp_path, include=["*.jsonl"])) == ["in/c.mp3#t=0,1", "in/drafts/b.wav#t=0,1"]
    with pytest.raises(InputError, match=r"only 5 unselected files; `include: \*\.ogg` matches nothing"):
        assets(tmp_path, include=["*.ogg"])


def test_names_in_other_bytes_are_those_of_their_files(tmp_path: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "émission.wav") for form in ("NFC", "NFD"))
    touch(tmp_path, f"in/{decomposed}", "in/Plain.WAV", "in/sub/x.wav", "in/sub/y.wav", f"far/{decomposed}")
    (tmp_path / "in/metadata.csv").write_text(
        f"file_name,lang\n{composed},fr\nplain.wav,en\nsub\\x.wav,wo\n", encoding="utf-8-sig"
    )
    found = assets(tmp_path / "in")
    langs = {uri: one.lang for uri, one in found.items()}
    assert langs == {f"in/{decomposed}": "fr", "in/Plain.WAV": "en", "in/sub/x.wav": "wo", "in/sub/y.wav": None}
    assert not any(one.problem for one in found.values())
    (tmp_path / "in/metadata.csv").unlink()
    names = [composed, "PLAIN.wav", "sub\\x.wav", f"../far/{composed}"]
    write_list(tmp_path / "in/list.jsonl", *({"audio_filepath": name, "duration": 1} for name in names))
    found = assets(tmp_path / "in", follow="outside")
    assert [uri for uri in found if uri.startswith("in/")] == [
        f"in/{decomposed}#t=0,1",
        "in/Plain.WAV#t=0,1",
        "in/sub/x.wav#t=0,1",
        f"in{tmp_path}/far/{decomposed}#t=0,1",
        "in/sub/y.wav",
    ]
    assert all(Path(one.url).exists() and one.size_bytes and not one.problem for one in found.values())


def test_names_that_could_be_several_files_are_problems_that_name_them(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav", "A.wav", "b.wav", "c.wav")
    (tmp_path / "metadata.csv").write_text("file_name,lang\nA.WAV,fr\nb.wav,wo\nB.wav,en\nC.wav,fr\nC.WAV,wo\n")
    found = assets(tmp_path)
    assert {uri: one.lang for uri, one in found.items() if not one.problem} == {
        "in/A.wav": None,
        "in/a.wav": None,
        "in/b.wav": "wo",
        "in/c.wav": None,
    }
    problems = {uri: str(one.problem) for uri, one in found.items() if one.problem}
    assert set(problems) == {"in/A.WAV", "in/B.wav", "in/C.wav", "in/C.WAV"}
    assert f"similar: {tmp_path}/A.wav, {tmp_path}/a.wav; write the name as its file has it" in problems["in/A.WAV"]
    assert f"similar: {tmp_path}/b.wav" in problems["in/B.wav"]
    (tmp_path / "metadata.csv").unlink()
    write_list(tmp_path / "list.jsonl", {"audio_filepath": "A.WAV", "duration": 1})
    assert f"names it; similar: {tmp_path}/A.wav, {tmp_path}/a.wav" in str(assets(tmp_path)["in/A.WAV#t=0,1"].problem)


def test_a_span_that_two_lists_name_is_two_assets(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav")
    for name in ("all", "train"):
        write_list(tmp_path / f"{name}.jsonl", {"audio_filepath": "a.wav", "duration": 1, "text": name})
    assert {uri: one.text for uri, one in assets(tmp_path).items()} == {
        "in/a.wav#t=0,1": "all",
        "in/a.wav#t=0,1&n=2": "train",
    }


def test_lists_and_side_files_that_cannot_be_read_are_problems(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav")
    for name in ("list.jsonl", "metadata.csv", "metadata.jsonl"):
        (tmp_path / name).symlink_to(name)
    packed = gzip.compress(b'{"audio_filepath": "a.wav", "duration": 1}\n' * 30 + os.urandom(1 << 17).hex().encode())
    (tmp_path / "cut.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    found = assets(tmp_path)
    assert "in/a.wav#t=0,1" in found
    problems = {uri: str(one.problem) for uri, one in found.items() if one.problem}
    assert set(problems) == {"in/cut.jsonl.gz", "in/list.jsonl", "in/metadata.csv", "in/metadata.jsonl"}
    assert "damaged gzip" in problems.pop("in/cut.jsonl.gz")
    assert all("a link leads to itself" in problem for problem in problems.values())


def test_a_recording_that_cannot_be_read_is_the_problem_of_its_line(tmp_path: Path) -> None:
    touch(tmp_path, "in/a.wav")
    (tmp_path / "in/self.wav").symlink_to("self.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    names = ("a.wav", "self.wav", "../pipe.wav")
    write_list(tmp_path / "in/list.jsonl", *({"audio_filepath": name, "duration": 1} for name in names))
    problems = {uri: one.problem for uri, one in assets(tmp_path / "in", follow="outside").items()}
    assert problems.pop("in/a.wav#t=0,1") is None
    assert "a link leads to itself" in str(problems.pop("in/self.wav#t=0,1"))
    assert "a pipe, and no file" in str(problems.pop(f"in{tmp_path}/pipe.wav#t=0,1"))
    assert not problems


LONG, DEEP = "x" * 5000 + ".wav", "/".join(["d" * 200] * 40) + "/a.wav"
NO_FILES = [
    "a\0.wav",
    "\ud800.wav",
    "s3://",
    "s3://bucket",
    "s3://bucket/",
    "s3://b/a\0b",
    "ftp://x/a.wav",
    "gs://b/k",
    "://x",
]
NO_TIMES: list[dict[str, Any]] = [
    {"offset": 1e300},
    {"offset": 10**400},
    {"duration": 1e18},
    {"text": "\ud800"},
    {"speaker": "\ud800"},
]


def test_a_line_that_cannot_be_an_input_is_one_problem(tmp_path: Path) -> None:
    """The other lines are listed; `broken` lines are failures of their list, one each."""
    touch(tmp_path, "a.wav")
    bad = [*({"audio_filepath": name, "duration": 1} for name in NO_FILES)]
    bad += [{"audio_filepath": "a.wav", "duration": 1, **one} for one in NO_TIMES]
    good = [{"audio_filepath": name, "duration": 1} for name in ("a.wav", LONG, DEEP)]
    write_list(tmp_path / "list.jsonl", *bad, *good)
    found = assets(tmp_path)
    uris = ["in/a.wav#t=0,1", f"in/{LONG}#t=0,1", f"in/{DEEP}#t=0,1", "in/list.jsonl"]
    assert list(found) == uris
    problems = [found[uri].problem for uri in uris]
    assert problems[0] is None
    assert all("file name too long" in str(one) for one in problems[1:3])
    assert "line 1: " in str(problems[3])
    url = f"{tmp_path}/list.jsonl"
    assert [one.start for one in broken_lines(url, "")] == list(range(len(bad)))

    (tmp_path / "list.jsonl").unlink()
    rows = ({"file_name": name} for name in ("a.wav", *NO_FILES))
    write_list(tmp_path / "metadata.jsonl", *rows, {"file_name": LONG}, {"file_name": "a.wav", "by": "\ud800"})
    found = assets(tmp_path)
    assert list(found) == ["in/a.wav", "in/metadata.jsonl", f"in/{LONG}"]
    assert [one.start for one in broken_rows(f"{tmp_path}/metadata.jsonl", "")] == [*range(1, len(NO_FILES) + 1), 11]


def test_links_and_lists_lead_out_of_the_input_only_where_it_allows(tmp_path: Path) -> None:
    touch(tmp_path, "far/b.wav", "far/sub/c.wav", "real/a.wav", "real/sub/d.wav")
    (tmp_path / "in").symlink_to("real")  # the input itself may be a link
    for name, target in (
        ("notes.txt", "/etc/passwd"), ("far", "../far"), ("up", ".."), ("b.wav", "../far/b.wav"),
        ("gone.wav", "../far/gone.wav"), ("tub", "sub"), ("d.wav", "sub/d.wav"),
    ):  # fmt: skip
        (tmp_path / "real" / name).symlink_to(target)
    names = (
        "a.wav",
        "sub/d.wav",
        "../far/b.wav",
        f"{tmp_path}/far/b.wav",
        "far/sub/c.wav",
        "..\\far\\b.wav",
        "../no.wav",
    )
    write_list(tmp_path / "real/list.jsonl", *({"audio_filepath": name, "duration": 1} for name in names))
    write_list(tmp_path / "real/metadata.jsonl", *({"file_name": name} for name in ("a.wav", "../far/b.wav")))
    found = assets(tmp_path / "in")
    outside = {uri for uri, one in found.items() if str(one.problem).startswith("OutsideInput: ")}
    assert set(found) - outside == {"in/a.wav#t=0,1", "in/sub/d.wav#t=0,1", "in/d.wav"}
    assert outside == {
        *("in/notes.txt", "in/far/", "in/up/", "in/b.wav", "in/gone.wav"),
        *(f"in{tmp_path}/far/b.wav#t=0,1", f"in{tmp_path}/far/b.wav#t=0,1&n=2", f"in{tmp_path}/no.wav#t=0,1"),
        *("in/far/sub/c.wav#t=0,1", "in/..\\far\\b.wav#t=0,1", f"in{tmp_path}/far/b.wav"),
    }
    assert "a link to '/etc/passwd', which is outside" in str(found["in/notes.txt"].problem)
    named = str(found[f"in{tmp_path}/far/b.wav#t=0,1"].problem)
    assert f"line 3 of {tmp_path}/in/list.jsonl names it; set `follow: outside` for the input" in named

    (tmp_path / "real/up").unlink()
    found = assets(tmp_path / "in", follow="outside")
    assert found["in/notes.txt"].size_bytes == os.path.getsize("/etc/passwd")
    problems = {uri: str(one.problem).partition(": ")[0] for uri, one in found.items() if one.problem}
    assert problems == {
        **dict.fromkeys(("in/gone.wav", f"in{tmp_path}/no.wav#t=0,1"), "InputError"),
        f"in{tmp_path}/far/b.wav": "OutsideInput",  # a side file describes files of the input
    }


@pytest.mark.s3
def test_lines_that_name_other_buckets(s3_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = f"{s3_url}/lines"
    names = [
        f"{folder}/radio/a.wav",
        f"{folder}/b.wav",
        "../b.wav",
        "s3://no-such-bucket/a.wav",
        "s3://No!/a.wav",
        "k" * 5000,
    ]
    lines = b"".join(json.dumps({"audio_filepath": name, "duration": 1}).encode() + b"\n" for name in names)
    for name, data in (("radio/a.wav", b"x"), ("b.wav", b"x"), ("radio/list.jsonl", lines)):
        store.write_bytes(f"{folder}/{name}", data)

    def kinds(url: str, follow: str) -> list[str]:
        listed = found_in(InputSpec.parse({"url": url, "follow": follow}))
        return [str(one.problem).partition(":")[0] for one in listed]

    assert kinds(f"{folder}/radio", "inside") == ["None", *["OutsideInput"] * 4, "InputError"]
    assert kinds(f"{folder}/radio", "outside") == ["None"] * 3 + ["UnreadableBucket"] * 2 + ["InputError"]
    (tmp_path / "list.jsonl").write_bytes(lines)
    assert kinds(f"{tmp_path}/list.jsonl", "inside")[:5] == ["OutsideInput"] * 5
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert kinds(f"{tmp_path}/list.jsonl", "outside")[:2] == ["UnreadableBucket"] * 2


@pytest.mark.s3
def test_names_with_blanks_and_percent_signs_survive(s3_url: str, tmp_path: Path) -> None:
    names = [" lead.wav", "100%.wav", "a b%20c.wav", "plus+&=.wav", "trail.wav ", "émission.wav"]
    folder = f"{s3_url}/names/radio"
    for name in names:
        store.write_bytes(f"{folder}/{name}", name.encode())
        (tmp_path / name).write_bytes(name.encode())
    for url in (folder, str(tmp_path)):
        found = list(found_in(InputSpec(url=url, name="in")))
        assert sorted(one.uri for one in found) == sorted(f"in/{name}" for name in names)
        for one in found:
            with store.open_input(one.url) as stream:
                assert stream.read().decode() == one.uri.removeprefix("in/")
