"""Files that are sent to harm a service, and a service in a process of its own that receives them."""

import gzip
import io
import json
import struct
import tarfile
import zipfile
from collections.abc import Iterator
from itertools import chain
from multiprocessing.connection import Connection
from resource import RUSAGE_SELF, getrusage
from typing import Any

import numpy as np
import soundfile
from fastapi.testclient import TestClient

from embed.audio import clips
from embed.encoder import SAMPLE_RATE, Batch, FloatArray, Role
from index.ask.searcher import open_index
from index.serve.app import make_app
from index.serve.gathering import Gatherer
from index.serve.holdings import Holdings
from index.serve.service import Service
from index.serve.settings import Settings
from tests.embed.mutations import by_ffmpeg, by_soundfile, mutant, originals
from tests.embed.sounds import tone
from tests.index.serve.conftest import Waves, WordEncoder

# Damage after which there may still be sound: such a file is answered, or refused.
PLAYABLE = {"sound", "unclosed", "two rates", "joined", "tagged", "wrong suffix"}
PLAYABLE |= {"truncated", "bit flips", "flips in the header", "zeroed stretch", "noise inside", "lying header"}
PLAYABLE |= {"not finite", "beginning missing", "random behind its header", "header alone", "huge wave"}


class Listener(WordEncoder):
    """Whatever is spoken is the first word."""

    def encode(self, batch: Batch, role: Role, task: str | None = None) -> FloatArray:
        return np.tile(np.eye(4, dtype=np.float32)[0], (len(batch), 1))


class RealQuestions(Waves):
    """Uploads are decoded for real."""

    def question(self, data: bytes) -> FloatArray:
        return clips.uploaded_question(data, 30.0)


def bombs(secret: str) -> Iterator[tuple[str, bytes]]:
    """Files that are small and want much, or want what is not theirs; `secret` is a recording on this machine."""
    zeros, silence = bytes(50 << 20), np.zeros(SAMPLE_RATE * 600, np.float32)
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("question.wav", zeros)
    yield "zip", memory.getvalue()
    yield "gzip", gzip.compress(zeros)
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as tar:
        tar.add(secret, "question.wav")
    yield "tar", memory.getvalue()
    yield "minutes of flac", by_soundfile(silence, "FLAC", "PCM_16", SAMPLE_RATE, 1)
    yield "eight channels of flac", by_soundfile(silence[: SAMPLE_RATE * 40], "FLAC", "PCM_24", 96_000, 8)
    yield "minutes of mp3", by_soundfile(silence, "MP3", "MPEG_LAYER_III", 8_000, 1)
    yield "a minute of opus", by_soundfile(silence[: SAMPLE_RATE * 60], "OGG", "OPUS", 48_000, 1)
    yield "silence", by_soundfile(silence[:SAMPLE_RATE], "WAV", "PCM_16", SAMPLE_RATE, 1)
    yield "an instant", by_soundfile(tone(0.01, 440), "WAV", "PCM_16", SAMPLE_RATE, 1)
    yield "a wav of 4 GiB", _wave(0xFFFFFFF0)
    yield "a rate of 4 GHz", _wave(2_000, rate=0xFFFFFFFF)
    yield "65535 channels", _wave(2_000, channels=65_535)
    m4a = by_ffmpeg(tone(1.0, 440), "m4a", "aac", 44_100, 64_000)
    for name in (b"stsz", b"stts", b"stsc"):
        at = m4a.index(name) + (12 if name == b"stsz" else 8)
        yield f"an m4a with 2**31 of {name.decode()}", m4a[:at] + b"\x7f\xff\xff\xff" + m4a[at + 4 :]
    yield "a tag of 256 MiB", b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + bytes(2_000)
    yield "a picture of 16 MiB in flac", b"fLaC\x06\xff\xff\xff" + bytes(2_000)
    yield "a playlist", f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile://{secret}\n#EXT-X-ENDLIST\n".encode()
    yield (
        "a playlist of the web",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
    )
    yield "a list of files", f"ffconcat version 1.0\nfile {secret}\n".encode()
    yield "a session", b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n"
    yield "a path", secret.encode()
    yield "dash", f'<?xml version="1.0"?><MPD><Period><BaseURL>file://{secret}</BaseURL></Period></MPD>'.encode()
    yield "a page", b"<!doctype html><script>alert(1)</script>"
    yield (
        "a picture",
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 1 << 30, 1 << 30) + b"\x08\6\0\0\0" + bytes(50),
    )
    yield "a program", b"\x7fELF" + bytes(500)
    yield "nothing", b""


def _wave(size: int, rate: int = SAMPLE_RATE, channels: int = 1) -> bytes:
    align = channels * 2 & 0xFFFF
    form = struct.pack("<HHIIHH", 1, channels, rate, rate, align, 16)
    return b"RIFF" + struct.pack("<I", size) + b"WAVEfmt \x10\0\0\0" + form + b"data" + struct.pack("<I", size)


def attack(index: str, secret: str, num_mutants: int, connection: Connection) -> None:
    """Sends every bomb and mutants to a service of this process; reports status and bytes of memory of each."""
    made = originals(tone(1.0, 440))
    holdings = Holdings([index], open_index, RealQuestions())
    settings = Settings(requests_per_s=0)
    service = Service("words", holdings, Gatherer(Listener(), settings.most_waiting), RealQuestions(), settings)
    mutants = (mutant(seed * 7919, made) for seed in range(num_mutants))
    files = chain(
        ((name, "bomb", data) for name, data in bombs(secret)), ((str(one), one.damage, one.data) for one in mutants)
    )
    found: list[dict[str, Any]] = []
    with TestClient(make_app(service), raise_server_exceptions=False) as client:
        client.post("/v1/search", files={"audio": made["16.wav"]})
        before = peak_bytes()
        for name, damage, data in files:
            connection.send(name)  # the last one is known where the process dies
            answer = client.post("/v1/search", files={"audio": ("../../" + name, data)})
            found.append({"name": name, "damage": damage, "status": answer.status_code, "body": answer.text[:500]})
        after = peak_bytes()
    connection.send(json.dumps({"answers": found, "grown_bytes": after - before}))


def peak_bytes() -> int:
    return getrusage(RUSAGE_SELF).ru_maxrss * 1024


def recording(path: Any) -> str:
    soundfile.write(path, tone(2.0, 440), SAMPLE_RATE)
    return str(path)
