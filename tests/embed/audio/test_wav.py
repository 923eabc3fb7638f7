import io
import struct

import numpy as np
import pytest
import soundfile

from embed.audio.stream import Watched
from embed.audio.wav import stated_frames


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
