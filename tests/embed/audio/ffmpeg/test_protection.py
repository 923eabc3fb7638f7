"""Encrypted media: one clear error, and never noise."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from embed.archive.inputs import InputSpec
from embed.archive.manifest import list_assets
from embed.audio.decode import decode, probe
from embed.errors import UnsupportedFormat
from tests.embed.films import Track, film
from tests.embed.sounds import tone

SOUND = Track(tone(2, 440), "aac", 44_100)
COMMON = {
    "encryption_scheme": "cenc-aes-ctr",
    "encryption_key": "76a6c65c5ea762046bd749a2e632ccbb",
    "encryption_kid": "a7e61c373e219033c21091fa607bf3b8",
}


def entry(name: bytes) -> Callable[[Path], object]:
    """A sound whose sample entry has this name."""

    def make(path: Path) -> None:
        data = film(path, SOUND, form="mp4").read_bytes()
        place = data.index(b"mp4a", data.index(b"stsd"))
        path.write_bytes(data[:place] + name + data[place + 4 :])

    return make


def webm(path: Path) -> None:
    """A title is replaced by ContentEncodings of the same length."""

    def element(name: str, data: bytes) -> bytes:
        return bytes.fromhex(name) + struct.pack(">B", 0x80 | len(data)) + data

    title = "x" * 60
    data = film(path, SOUND._replace(codec="libopus", rate=48_000), title=title).read_bytes()
    encryption = element("5035", element("47e1", b"\5") + element("47e2", bytes(range(16))))
    inner = element("6240", element("5031", b"\0") + element("5032", b"\1") + element("5033", b"\1") + encryption)
    inner += element("ec", bytes(60 - len(inner) - 2))
    old, new = element("536e", title.encode()), element("6d80", inner)
    assert len(old) == len(new)
    assert data.count(old) == 1
    path.write_bytes(data.replace(old, new))


def wma(path: Path) -> None:
    """The header has one more object."""
    data = film(path, SOUND._replace(codec="wmav2"), form="asf").read_bytes()
    size, num = struct.unpack_from("<QI", data, 16)
    parts = b"".join(struct.pack("<I", len(text)) + text for text in (b"secret", b"DRM\0", b"key\0", b"http://a\0"))
    more = bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e") + struct.pack("<Q", 24 + len(parts)) + parts
    head = data[:16] + struct.pack("<QI", size + len(more), num + 1) + data[28:30]
    path.write_bytes(head + more + data[30:])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "make", "scheme"),
    [
        ("a.mp4", lambda path: film(path, SOUND, options=COMMON), "common encryption"),
        ("b.mp4", lambda path: film(path, SOUND, picture="mpeg4", picture_s=2, options=COMMON), "common encryption"),
        ("a.m4b", entry(b"enca"), "common encryption"),
        ("a.m4p", entry(b"drms"), "Apple FairPlay"),
        ("a.aax", entry(b"aavd"), "Audible"),
        ("a.webm", webm, "WebM encryption"),
        ("a.wma", wma, "Windows Media"),
    ],
)
def test_encrypted_sound_is_recognised(name: str, make: Callable[[Path], object], scheme: str, tmp_path: Path) -> None:
    make(tmp_path / name)
    for read in (probe, decode):
        with pytest.raises(UnsupportedFormat, match=rf"{name}: protected: .* \({scheme}\); embed a copy"):
            read(str(tmp_path / name))
    (problem,) = list_assets([InputSpec(url=str(tmp_path), modality="speech")])["problem"].to_pylist()
    assert problem.startswith("UnsupportedFormat: ")


def test_a_plain_track_beside_an_encrypted_one_is_taken(tmp_path: Path) -> None:
    data = film(tmp_path / "a.mp4", SOUND, SOUND._replace(lang="fra")).read_bytes()
    place = data.index(b"mp4a", data.index(b"stsd"))
    (tmp_path / "a.mp4").write_bytes(data[:place] + b"enca" + data[place + 4 :])
    assert probe(str(tmp_path / "a.mp4")).tracks == [1]
    with pytest.raises(UnsupportedFormat, match="protected"):
        decode(str(tmp_path / "a.mp4"), tracks=[0])
