import json
import os
import struct
import subprocess
import tarfile
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from embed.archive.contents import Contents
from embed.archive.inputs import InputSpec
from embed.archive.manifest import Listed, list_assets, list_inputs
from embed.audio.decode import decode
from embed.errors import InputError
from embed.identity import asset_id
from embed.segmentation.cut import cut
from embed.segmentation.passages import PassageSpec
from embed.segmentation.rules import Cutting
from embed.segmentation.spans import SegmentSpec
from embed.segmentation.units import plan_units
from embed.storage import store
from tests.embed.archive.tars.packing import add, pack, sound
from tests.embed.sounds import LETTERS

CUTTING = Cutting(SegmentSpec(), PassageSpec(), LETTERS.digest)
SAMPLES = [
    ("one.flac", sound(2)),
    ("one.json", b'{"lang": "fr", "speaker": 7}'),
    ("one.txt", "Un après-midi.".encode()),
    ("two.cls", b"3"),
    ("two.wav", sound(3.5, 880, "WAV")),
    ("notes.txt", b"A text of its own.\n\nAnd one more."),
]


def listed(folder: Path | str, **about: Any) -> Listed:
    return list_inputs([InputSpec.parse({"url": str(folder), "name": "in", **about})])


def rows_of(folder: Path | str, **about: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cut(plan_units(listed(folder, **about).assets, CUTTING), CUTTING, LETTERS).to_pylist()
    return found


def messages(rows: list[dict[str, Any]]) -> dict[str, str]:
    return {row["uri"]: failure["message"] for row in rows for failure in row["failures"]}


def check_samples(rows: list[dict[str, Any]], tar: str = "in/a.tar") -> None:
    one, two, notes = rows
    assert [row["uri"] for row in rows] == [f"{tar}#member={name}" for name in ("one.flac", "two.wav", "notes.txt")]
    assert [row["modality"] for row in rows] == ["speech", "speech", "text"]
    assert [(row["decoded_s"], row["lost_s"]) for row in rows] == [(2, 0), (3.5, 0), (0, 0)]
    assert [(segment["start"], segment["end"], segment["text"]) for segment in one["segments"]] == [
        (0, 2000, "Un après-midi.")
    ]
    assert (one["lang"], dict(one["metadata"])) == ("fr", {"station": "Sud", "speaker": "7"})
    assert (two["lang"], dict(two["metadata"]), two["text"]) == ("wo", {"station": "Sud", "cls": "3"}, None)
    assert [segment["text"] for segment in notes["segments"]] == ["A text of its own.", "And one more."]
    assert messages(rows) == {}


def test_members_are_assets_with_what_their_samples_say(tmp_path: Path) -> None:
    pack(tmp_path / "in" / "a.tar", SAMPLES)
    about = {"lang": "wo", "metadata": {"station": "Sud"}}
    check_samples(rows_of(tmp_path / "in", **about))
    check_samples(rows_of(tmp_path / "in" / "a.tar", **about), "in")
    found = listed(tmp_path / "in").assets.to_pylist()
    assert [(row["format"], row["duration_s"], row["size_bytes"]) for row in found] == [
        ("clip", 2.0, len(SAMPLES[0][1])),
        ("audio", 3.5, len(SAMPLES[4][1])),
        ("txt", None, len(SAMPLES[5][1])),
    ]


@pytest.mark.s3
def test_members_of_a_tar_on_s3(tmp_path: Path, s3_url: str) -> None:
    filling = [(f"one.{number}.npy", os.urandom(1 << 20)) for number in range(2)]  # over a block that is read ahead
    data = pack(tmp_path / "a.tar", [*filling, *SAMPLES])
    store.write_bytes(f"{s3_url}/in/a.tar", data)
    rows = rows_of(f"{s3_url}/in", lang="wo", metadata={"station": "Sud"})
    check_samples(rows)
    assert {row["content_version"] for row in rows} == {f"etag:{store.listing(f'{s3_url}/in')[0].etag}"}


@pytest.mark.slow
def test_members_read_as_files_do(tmp_path: Path) -> None:
    """Any format: the same samples, texts and failures as of the same files in a folder."""
    files = {
        "a.wav": sound(2, form="WAV"),
        "b.flac": sound(3),
        "c.ogg": sound(2, form="OGG"),
        "d.mp3": sound(2, form="MP3"),
        "e.txt": b"Words.\n\nMore.",
        "f.jsonl": b'{"_id": "x", "text": "one"}\n{"text": 2}\nbroken\n',
        "g.csv": b"id,text\n1,one\n2,two\n",
        "h.html": b"<html><body><p>Page</p></body></html>",
        "i.vtt": b"WEBVTT\n\n00:00.000 --> 00:01.000\nCue\n",
        "j.wav": b"no sound" * 99,
        "k.md": b"---\ntitle: x\n---\nBody.",
        "l.flac": b"",
    }
    for name, data in files.items():
        (tmp_path / "files").mkdir(exist_ok=True)
        (tmp_path / "files" / name).write_bytes(data)
    pack(tmp_path / "tars" / "a.tar", files.items())
    plain, packed = rows_of(tmp_path / "files"), rows_of(tmp_path / "tars")
    assert len(plain) == len(packed) == len(files)
    for one, other in zip(plain, packed, strict=True):
        assert other["uri"] == one["uri"].replace("in/", "in/a.tar#member=")
        assert [one[name] for name in ("signal", "decoded_s", "lost_s", "format", "lang", "start", "end")] == [
            other[name] for name in ("signal", "decoded_s", "lost_s", "format", "lang", "start", "end")
        ]
        assert [(s["start"], s["end"], s["text"], s["item"]) for s in one["segments"]] == [
            (s["start"], s["end"], s["text"], s["item"]) for s in other["segments"]
        ]
        assert [f["message"].replace(one["url"], "") for f in one["failures"]] == [
            f["message"].replace(other["url"], "") for f in other["failures"]
        ]


def test_what_cannot_be_read_is_a_failure_by_name(tmp_path: Path) -> None:
    whole = pack(tmp_path / "cut.tar", SAMPLES, tarfile.GNU_FORMAT)
    (tmp_path / "cut.tar").write_bytes(whole[: len(SAMPLES[0][1]) + 4000])
    pack(tmp_path / "json.tar", [("a.flac", sound(1)), ("a.json", b"{"), ("b.flac", sound(1)), ("b.txt", b"\xff")])
    pack(tmp_path / "nested.tar", [("c.flac", sound(1)), ("inner.tar", whole)])
    (tmp_path / "packed.tar.gz").write_bytes(b"any")
    (tmp_path / "wav.tar").write_bytes(sound(1, form="WAV"))
    with (tmp_path / "s.wav").open("wb") as file:
        file.seek(1 << 20)
        file.write(b"end")
    subprocess.run(["tar", "--sparse", "--remove-files", "-cf", "sparse.tar", "s.wav"], cwd=tmp_path, check=True)
    rows = rows_of(tmp_path)
    found = messages(rows)
    assert {row["uri"] for row in rows if row["decoded_s"]} == {
        *(f"in/{name}" for name in ("cut.tar#member=one.flac", "json.tar#member=a.flac", "json.tar#member=b.flac")),
        "in/nested.tar#member=c.flac",
    }
    expected = {
        "in/cut.tar": "cut short at byte",
        "in/json.tar#member=a.json": "a.json: Expecting",
        "in/json.tar#member=b.txt": "b.txt: not UTF-8",
        "in/nested.tar#member=inner.tar": "a tar in a tar",
        "in/packed.tar.gz": "unpack it: gunzip packed.tar.gz",
        "in/wav.tar": "no tar, though its name ends so; it begins with b'RIFF",
        "in/sparse.tar#member=s.wav": "a sparse file, which cannot be read in place",
    }
    assert set(found) == set(expected)
    for uri, words in expected.items():
        assert words in found[uri]
        assert f"{tmp_path}/{uri.partition('/')[2].partition('#')[0]}" in found[uri]


def test_what_is_no_asset_is_counted(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        add(tar, "a.flac", b"old")
        add(tar, "l.flac", type=tarfile.SYMTYPE, linkname="a.flac")
        add(tar, "a.npy", b"1")
        add(tar, "a.flac", sound(1))
    tarfile.open(tmp_path / "none.tar", "w").close()
    found = listed(tmp_path)
    assert found.assets["uri"].to_pylist() == ["in/a.tar#member=a.flac"]
    assert [(row["uri"].partition("=")[2], row["kind"]) for row in found.passed_over.to_pylist()] == [
        ("a.flac", "replaced member"),
        ("l.flac", "link"),
        ("a.npy", "part of a sample"),
    ]
    assert found.notes == (f"{tmp_path}/a.tar: 1 member has the name of a later one, which counts alone",)


@pytest.mark.parametrize(
    ("members", "reason"), [([], "its tars are empty"), ([("a.jpg", b"1"), ("b.jpg", b"2")], "only 2 pictures")]
)
def test_tars_with_nothing_to_embed(members: list[tuple[str, bytes]], reason: str, tmp_path: Path) -> None:
    pack(tmp_path / "a.tar", members)
    with pytest.raises(InputError, match=f"nothing to embed: {reason}"):
        listed(tmp_path)


@pytest.mark.slow
def test_names_are_only_names(tmp_path: Path) -> None:
    names = ["../../up.flac", "/etc/abs.flac", "a/../b.flac", "b.flac", "x#row=1", "y#t=1,2.flac", "é\n.flac"]
    pack(tmp_path / "a.tar", [(name, sound(1)) for name in names])
    rows = rows_of(tmp_path)
    assert [row["uri"] for row in rows] == [f"in/a.tar#member={name}" for name in names]
    assert len({row["asset_id"] for row in rows}) == len(names)
    assert [row["decoded_s"] for row in rows] == [1.0] * len(names)


def test_a_side_file_describes_a_tar(tmp_path: Path) -> None:
    pack(tmp_path / "a.tar", [("one.flac", sound(1)), ("one.json", b'{"lang": "wo", "year": 1998}'), ("two.txt", b"x")])
    (tmp_path / "metadata.csv").write_text("file_name,language,year,station\na.tar,fr,1999,Sud\n")
    assert [(row["lang"], dict(row["metadata"])) for row in rows_of(tmp_path)] == [
        ("wo", {"year": "1998", "station": "Sud"}),
        ("fr", {"year": "1999", "station": "Sud"}),
    ]


def test_forgotten_members_and_tars(tmp_path: Path) -> None:
    pack(tmp_path / "a.tar", [(name, sound(1)) for name in ("a.flac", "b.flac")])
    inputs = [InputSpec(url=str(tmp_path), name="in")]
    left = list_assets(inputs, forgotten={asset_id("in/a.tar#member=a.flac")})
    assert left["uri"].to_pylist() == ["in/a.tar#member=b.flac"]
    assert list_assets(inputs, forgotten={asset_id("in/a.tar")}).num_rows == 0


def test_a_tar_that_was_touched_or_has_more_members_keeps_the_versions_of_the_others(tmp_path: Path) -> None:
    members = [("a.flac", sound(1)), ("b.flac", sound(1, 880))]
    pack(tmp_path / "a.tar", members)
    inputs = [InputSpec(url=str(tmp_path), name="in")]
    first = list_inputs(inputs).assets
    digests = {
        (row["asset_id"], row["content_version"]): row["digest"]
        for row in cut(plan_units(first, CUTTING), CUTTING, LETTERS).to_pylist()
    }
    assert len(digests) == 2
    assert None not in digests.values()

    def versions_now() -> list[bool]:
        """Whether each asset has the version of before."""
        before = dict(zip(first["uri"].to_pylist(), first["content_version"].to_pylist(), strict=True))
        now = list_inputs(inputs, first, contents=Contents(lambda: digests)).assets
        assert [decode(url).decoded_s for url in now["url"].to_pylist()] == [1.0] * now.num_rows
        return [before.get(row["uri"]) == row["content_version"] for row in now.to_pylist()]

    os.utime(tmp_path / "a.tar", (1, 1))
    assert versions_now() == [True, True]
    pack(tmp_path / "a.tar", [("0.flac", sound(1, 99)), *members])
    assert versions_now() == [False, True, True]
    pack(tmp_path / "a.tar", [members[0], ("b.flac", members[1][1][:-1] + b"!")])
    assert versions_now() == [True, False]


@pytest.mark.campaign
def test_a_large_tar_takes_little_memory(tmp_path: Path) -> None:
    """Its sounds are holes of the disk: 600 MB, of which the index reads the headers, and a unit its ten minutes."""
    size, header = 300 << 20, sound(0, form="WAV")
    with (tmp_path / "a.tar").open("wb") as file:
        for name in ("a.wav", "b.wav"):
            info = tarfile.TarInfo(name)
            info.size = size
            file.write(info.tobuf() + header[:4] + struct.pack("<I", size - 8) + header[8:40])
            file.write(struct.pack("<I", size - 44))
            file.seek(size - 44, os.SEEK_CUR)
        file.write(bytes(1024))
    tracemalloc.start()
    try:
        units = plan_units(listed(tmp_path / "a.tar").assets, CUTTING)
        assert (units.num_rows, len(set(units["asset_id"].to_pylist()))) == (34, 2)
        decode(units["url"][33].as_py(), 9000.0, 9060.0)
        assert tracemalloc.get_traced_memory()[1] < 30 << 20
    finally:
        tracemalloc.stop()


LINES = [
    {"audio_filepath": "a.flac", "duration": 1.0, "text": "un", "shard_id": 0},
    {"audio_filepath": "a-sub1.flac", "offset": 1.0, "duration": 1.0, "text": "deux", "shard_id": 0},
    {"audio_filepath": "b.flac", "duration": 2.0, "text": "trois", "lang": "wo", "shard_id": 1},
]
URIS = ["audio_0.tar#member=a.flac#t=0,1", "audio_0.tar#member=a.flac#t=1,2", "audio_1.tar#member=b.flac#t=0,2"]


def write_nemo(folder: Path) -> None:
    pack(folder / "audio_0.tar", [("a.flac", sound(2))])
    pack(folder / "audio_1.tar", [("b.flac", sound(2)), ("a.flac", sound(9)), ("rest.flac", sound(1))])
    (folder / "tarred_audio_manifest.json").write_text("".join(json.dumps(line) + "\n" for line in LINES))
    (folder / "metadata.json").write_text("{}")


def test_nemo_names_members_in_its_manifest(tmp_path: Path) -> None:
    write_nemo(tmp_path / "nemo")
    rows = rows_of(tmp_path / "nemo")
    assert [(row["uri"], row["text"], row["decoded_s"]) for row in rows] == [
        ("in/audio_1.tar#member=a.flac", None, 9.0),  # listed of the other tar
        ("in/audio_1.tar#member=rest.flac", None, 1.0),
        *zip([f"in/{uri}" for uri in URIS], ["un", "deux", "trois"], [1.0, 1.0, 2.0], strict=True),
    ]
    assert rows[-1]["lang"] == "wo"
    rows = rows_of(tmp_path / "nemo" / "tarred_audio_manifest.json")
    assert [row["uri"] for row in rows] == [f"in/{uri}" for uri in URIS]
    assert [row["decoded_s"] for row in rows] == [1.0, 1.0, 2.0]
    assert {row["kind"] for row in listed(tmp_path / "nemo").passed_over.to_pylist()} == {"description"}


def test_a_name_in_several_tars_needs_its_shard(tmp_path: Path) -> None:
    write_nemo(tmp_path)
    (tmp_path / "tarred_audio_manifest.json").write_text('{"audio_filepath": "a.flac", "duration": 1.0}\n')
    (message,) = messages(rows_of(tmp_path / "tarred_audio_manifest.json")).values()
    assert "line 1 of" in message
    assert f"{tmp_path}/audio_0.tar and {tmp_path}/audio_1.tar have a member of this name" in message
    assert "shard_id" in message
    (row,) = rows_of(tmp_path / "tarred_audio_manifest.json")
    assert (row["decoded_s"], row["lost_s"], row["segments"]) == (1.0, 1.0, [])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["audio__OP_0..1_CL_.tar", "audio_{0..1}.tar"])
def test_numbered_tars_of_one_url(name: str, tmp_path: Path) -> None:
    write_nemo(tmp_path)
    uris = {row["uri"] for row in rows_of(tmp_path / name)}
    assert uris == {f"in/audio_{uri}" for uri in (*(f"0.tar#member={n}.flac" for n in "a"), "1.tar#member=b.flac",
                    "1.tar#member=a.flac", "1.tar#member=rest.flac")}  # fmt: skip
    with pytest.raises(InputError, match=r"1 numbered file missing, e.g. .*audio_2.tar"):
        rows_of(tmp_path / name.replace("1", "2"))


@pytest.mark.parametrize("name", ["manifest__OP_0..1_CL_.json", "manifest_{0..1}.json"])
def test_numbered_manifests_of_one_url(name: str, tmp_path: Path) -> None:
    write_nemo(tmp_path)
    for shard in (0, 1):
        lines = "".join(json.dumps(line) + "\n" for line in LINES if line["shard_id"] == shard)
        (tmp_path / f"manifest_{shard}.json").write_text(lines)
    assert [row["uri"] for row in rows_of(tmp_path / name)] == [f"in/{uri}" for uri in URIS]


def test_a_shar_of_lhotse(tmp_path: Path) -> None:
    for shard, (name, seconds) in enumerate({"c1": 2.0, "c.2": 3.0}.items()):
        cuts = {
            "id": name,
            "start": 0,
            "duration": seconds,
            "channel": 0,
            "supervisions": [{"id": f"s{shard}", "start": 0.5, "duration": 1.0, "text": "mot", "language": "fr"}],
            "recording": {"id": "rec", "sources": [{"type": "shar", "channels": [0], "source": ""}]},
            "type": "MonoCut",
        }
        (tmp_path / f"cuts.00000{shard}.jsonl").write_text(json.dumps(cuts) + "\n")
        pack(tmp_path / f"recording.00000{shard}.tar", [(f"{name}.flac", sound(seconds)), (f"{name}.json", b"{}")])
    rows = rows_of(tmp_path)
    assert [(row["uri"], row["decoded_s"], row["text"], row["lang"]) for row in rows] == [
        ("in/recording.000000.tar#member=c1.flac#t=0.5,1.5", 1.0, "mot", "fr"),
        ("in/recording.000001.tar#member=c.2.flac#t=0.5,1.5", 1.0, "mot", "fr"),
    ]
    pack(tmp_path / "recording.000001.tar", [("other.flac", sound(1))])
    assert [message.partition("; ")[2] for message in messages(rows_of(tmp_path)).values()] == [
        f"line 1 of {tmp_path}/cuts.000001.jsonl names it; recording.000001.tar next to the list has no member of this"
        " name"
    ]
