"""Small tars as the tests of tars need them: any member, any format."""

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile


def sound(seconds: float, hz: float = 440, form: str = "FLAC") -> bytes:
    memory = io.BytesIO()
    wave = 0.5 * np.sin(2 * np.pi * hz * np.arange(int(seconds * 16_000)) / 16_000)
    soundfile.write(memory, wave, 16_000, format=form)
    return memory.getvalue()


def pack(path: Path, members: Iterable[tuple[str, bytes]], form: int = tarfile.PAX_FORMAT, **about: Any) -> bytes:
    """Write a tar; `about` are attributes of all its members.  Returns its bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=form) as tar:
        for name, data in members:
            add(tar, name, data, **about)
    return path.read_bytes()


def add(tar: tarfile.TarFile, name: str, data: bytes = b"", **about: Any) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in about.items():
        setattr(info, key, value)
    tar.addfile(info, io.BytesIO(data))
