import struct
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embed.errors import InputError
from embed.model.packaged.ct2 import read_ct2

CODES = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4}


def string(text: str) -> bytes:
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


def file_of(arrays: dict[str, np.ndarray], aliases: dict[str, str] | None = None, version: int = 6) -> bytes:
    """A file as CTranslate2 writes it."""
    parts = [struct.pack("<I", version), string("WhisperSpec"), struct.pack("<II", 3, len(arrays))]
    for name, array in arrays.items():
        head = struct.pack(f"<B{array.ndim}IBI", array.ndim, *array.shape, CODES[array.dtype.name], array.nbytes)
        parts += [string(name), head, array.tobytes()]
    parts.append(struct.pack("<I", len(aliases or {})))
    parts += [string(alias) + string(target) for alias, target in (aliases or {}).items()]
    return b"".join(parts)


ARRAYS: dict[str, np.ndarray] = {
    "a/weight": np.arange(6, dtype=np.float16).reshape(2, 3),
    "b": np.array([7], dtype=np.int8),
    "scalar": np.array(2.5, dtype=np.float32),
}
WHOLE = file_of(ARRAYS, {"c": "a/weight"})


def test_arrays_and_aliases_come_back() -> None:
    found = read_ct2(WHOLE, "file")
    assert sorted(found) == ["a/weight", "b", "c", "scalar"]
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        assert np.array_equal(found[name], array)
    assert found["c"] is found["a/weight"]


def test_a_file_cut_anywhere_is_refused() -> None:
    accepted = [end for end in range(len(WHOLE)) if not is_refused(WHOLE[:end])]
    assert not accepted, f"not refused with the cure when cut after {accepted} bytes"


def is_refused(data: bytes) -> bool:
    """With the cure; any other error is raised."""
    try:
        read_ct2(data, "file")
    except InputError as error:
        return "install it again" in str(error)
    return False


def test_a_size_that_does_not_fit_its_shape_is_refused() -> None:
    lying = WHOLE.replace(struct.pack("<BI", 4, 12), struct.pack("<BI", 4, 10))
    with pytest.raises(InputError, match=r"a/weight of shape \(2, 3\) and type 4 does not fit in 10 bytes"):
        read_ct2(lying, "file")


def test_an_alias_of_nothing_and_an_unknown_version_are_refused() -> None:
    with pytest.raises(InputError, match="x is an alias of y, which is missing"):
        read_ct2(file_of(ARRAYS, {"x": "y"}), "file")
    with pytest.raises(InputError, match="version 99"):
        read_ct2(file_of(ARRAYS, version=99), "file")


@pytest.mark.fuzz
@settings(deadline=None)
@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
def test_a_changed_byte_is_read_or_refused_but_nothing_else(position: int, value: int) -> None:
    changed = bytearray(WHOLE)
    changed[position] = value
    with suppress(InputError):
        read_ct2(changed, "file")
