"""Tags of real files: one table of containers, and what old or careless programs write."""

import json
from pathlib import Path

import pytest

from embed.audio.decode import tags
from tests.embed.audio.tagged import CODECS, bext, info_list, write_id3v1, write_riff, write_tagged

TAGS = {"title": "Émission", "artist": "Awa", "date": "2019-04-01", "comment": "du soir", "encoder": "x"}
CHAPTERS = {0.0: "Journal", 1.0: "Météo"}
WITH_CHAPTERS = {"mp3", "opus", "ogg", "m4a", "mov", "mka", "webm"}


@pytest.mark.parametrize("container", CODECS)
def test_a_container_has_plain_names(container: str, tmp_path: Path) -> None:
    found = tags(str(write_tagged(tmp_path / f"a.{container}", TAGS, CHAPTERS)))
    chapters = json.loads(found.pop("chapters", "[]"))
    assert found == {name: text for name, text in TAGS.items() if name != "encoder"}
    expected = [{"start": 0.0, "title": "Journal"}, {"start": 1.0, "title": "Météo"}]
    assert chapters == (expected if container in WITH_CHAPTERS else [])


@pytest.mark.parametrize(
    ("title", "read"),
    [
        ("Émission spéciale".encode("latin-1"), "Émission spéciale"),
        ("Émission spéciale de l'été aé".encode(), "Émission spéciale de l'été"),  # cut inside of a character
        ("Émission".encode(), "Émission"),
        (b"\xff\xfe\x81\x8d", "ÿþ"),
        (b"", None),
    ],
    ids=["latin-1", "cut", "utf-8", "noise", "none"],
)
def test_bytes_that_are_no_utf8_fail_nothing(title: bytes, read: str | None, tmp_path: Path) -> None:
    found = tags(str(write_id3v1(tmp_path / "a.mp3", title)))
    assert (found.get("title") or "").replace("\ufffd", "") == (read or "")
    assert (found["artist"], found["date"]) == ("Awa", "2001")


def test_riff_info_and_broadcast_wave(tmp_path: Path) -> None:
    info = info_list(INAM="Marché de Thiès".encode("cp1252"), IART=b"RTS", ICRD=b"1987")
    assert tags(str(write_riff(tmp_path / "a.wav", {b"LIST": info}))) == {
        "title": "Marché de Thiès", "artist": "RTS", "date": "1987",
    }  # fmt: skip
    assert tags(str(write_riff(tmp_path / "b.wav", {b"bext": bext(b"Evening news", b"RTS", b"1987-05-03")}))) == {
        "comment": "Evening news", "date": "1987-05-03",
    }  # fmt: skip


def test_comments_of_flac_have_chapters_too(tmp_path: Path) -> None:
    comments = {
        "CHAPTER001": "00:00:00.500",
        "CHAPTER001NAME": "Journal",
        "CHAPTER002": "no clock",
        "title": "a" * 9999,
    }
    found = tags(str(write_tagged(tmp_path / "a.flac", comments)))
    assert json.loads(found["chapters"]) == [{"start": 0.5, "title": "Journal"}]
    assert len(found["title"]) < 4100


def test_what_ffmpeg_cannot_open_has_no_tags(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"no recording")
    assert tags(str(tmp_path / "a.wav")) == {}
    assert tags(str(write_riff(tmp_path / "b.wav", {}))) == {}
