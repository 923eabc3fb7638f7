import io
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from embed.audio.decode import decode, probe
from embed.audio.stream import Watched
from embed.audio.wav import Raw, beyond, files, stated_frames


def wav(form: str = "WAV", subtype: str = "PCM_16") -> bytes:
    memory = io.BytesIO()
    soundfile.write(memory, np.zeros((5_000, 2)), 8_000, format=form, subtype=subtype)
    return memory.getvalue()


@pytest.mark.parametrize("form", ["WAV", "WAVEX", "RF64"])
def test_the_promise_outlives_the_sound(form: str) -> None:
    assert stated_frames(Watched(io.BytesIO(wav(form)))) == 5_000
    assert stated_frames(Watched(io.BytesIO(wav(form)[:1_000]))) == 5_000


def test_no_promise_where_there_is_none_or_it_is_contradicted() -> None:
    whole = wav()
    place = whole.index(b"data") + 4
    for size in (0x7FFFFFFF, 0xFFFFFFFF, 1_000_000_000):
        assert stated_frames(Watched(io.BytesIO(whole[:place] + struct.pack("<I", size) + whole[place + 4 :]))) == 0
    assert stated_frames(Watched(io.BytesIO(whole[:30]))) == 0
    assert stated_frames(Watched(io.BytesIO(b"fLaC" + bytes(100)))) == 0
    assert stated_frames(Watched(io.BytesIO(whole.replace(b"\x01\0\x02\0", b"\x31\0\x02\0")))) == 0


SECONDS, RATE = 20, 16_000
NOISE = np.random.default_rng(0).uniform(-0.1, 0.1, SECONDS * RATE)


def noise(form: str = "WAV", subtype: str = "PCM_16") -> bytes:
    memory = io.BytesIO()
    soundfile.write(memory, NOISE, RATE, format=form, subtype=subtype)
    return memory.getvalue()


def with_sizes(data: bytes, *sizes: tuple[bytes, int | None], form: str = "<I") -> bytes:
    """`data` with other sizes behind the names of chunks; for `None` the right one."""
    changed = bytearray(data)
    for name, size in sizes:
        at = data.index(name) + len(name)
        if size is not None:
            changed[at : at + struct.calcsize(form)] = struct.pack(form, size)
    return bytes(changed)


def killed(subtype: str = "PCM_16", riff: int = 0, data: int = 0) -> bytes:
    return with_sizes(noise("WAV", subtype), (b"RIFF", riff), (b"data", data))


def with_chunk(data: bytes, chunk: bytes) -> bytes:
    at = data.index(b"data")
    return data[:at] + chunk + data[at:]


def unsized(form: str, *sizes: tuple[bytes, int | None], packed: str) -> bytes:
    return with_sizes(noise(form), *sizes, form=packed)


# 20 s each, as ffmpeg 5.1 decodes them; where it reads nothing, or ends where a header does, as they were written.
WRONG = {
    "sizes 0": killed(),
    "sizes 0 and 36": killed(riff=36),
    "FLLR before the sound": with_chunk(killed(riff=4088), b"FLLR" + struct.pack("<I", 4044) + bytes(4044)),
    "RIFF right, data 0": killed(riff=36 + 2 * SECONDS * RATE),
    "RIFF 0, data right": killed(data=2 * SECONDS * RATE),
    "unknown": killed(riff=0xFFFFFFFF, data=0xFFFFFFFF),
    "of the last save": killed(riff=320_036, data=320_000),
    "data of the last save": killed(riff=640_036, data=320_000),
    "more than there is": killed(riff=1_280_036, data=1_280_000),
    "float": killed("FLOAT"),
    "24 bit": killed("PCM_24"),
    "mu-law": killed("ULAW"),
    "gsm": killed("GSM610"),
    "odd chunk": with_chunk(noise(), b"junk\5\0\0\0abcde\0"),
    "odd chunk without padding": with_chunk(noise(), b"junk\5\0\0\0abcde"),
    "extensible": with_sizes(noise("WAVEX"), (b"RIFF", 0), (b"data", 0)),
    "RF64, ds64 of zeros": (rf64 := noise("RF64"))[:20] + bytes(24) + rf64[44:],
    "AIFF": unsized("AIFF", (b"FORM", 0xFFFFFFFF), (b"SSND", 0xFFFFFFFF), packed=">I"),
    "AU, unknown": unsized("AU", (b".snd\0\0\0\x18", 0xFFFFFFFF), packed=">I"),
    "AU, 0": unsized("AU", (b".snd\0\0\0\x18", 0), packed=">I"),
    "CAF": unsized("CAF", (b"data", -1), packed=">q"),
    "W64": unsized("W64", (b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a", 0), packed="<q"),
    "zeros of reserved space": noise() + bytes(100_000),
    "a tag": noise() + b"TAG" + bytes(20_000),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", WRONG)
def test_all_sound_is_read_where_a_header_is_wrong(kind: str, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(WRONG[kind])
    found = decode(str(tmp_path / "a.wav"))
    assert (round(found.decoded_s, 3), found.lost) == (SECONDS, [])
    assert np.corrcoef(found.samples, NOISE)[0, 1] > (0.5 if kind == "gsm" else 0.99)
    part = decode(str(tmp_path / "a.wav"), 11, 13).samples
    np.testing.assert_array_equal(part, found.samples[11 * RATE : 13 * RATE])
    stated_s = 40 if kind == "more than there is" else SECONDS
    assert probe(str(tmp_path / "a.wav")).duration_s == pytest.approx(stated_s, abs=0.001)


def test_sound_beyond_the_stated_size_and_files_in_one() -> None:
    plain, begin = noise(), 44
    assert beyond(Watched(io.BytesIO(plain))) is None
    assert beyond(Watched(io.BytesIO(plain[:100_000]))) is None
    assert beyond(Watched(io.BytesIO(plain + b"LIST\4\0\0\0INFO"))) is None
    assert beyond(Watched(io.BytesIO(killed("MS_ADPCM")))) is None
    assert beyond(Watched(io.BytesIO(killed()))) == Raw(begin, len(plain), RATE, 1, "PCM_16", "LITTLE")
    listed = plain + b"LIST\4\0\0\0INFO"
    three = Watched(io.BytesIO(plain + listed + plain))
    assert files(three) == [(0, len(plain)), (len(plain), len(plain + listed)), (len(plain + listed), three.size)]
    assert files(Watched(io.BytesIO(b"fLaC"))) == [(0, 4)]
