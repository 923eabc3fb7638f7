"""Reader of CTranslate2 weight files: named arrays, and aliases of them."""

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embed.model.packaged.binary import Cursor

Arrays = Mapping[str, NDArray[Any]]

NEWEST_VERSION = 6
DTYPES: Mapping[int, np.dtype[Any]] = {
    code: np.dtype(kind) for code, kind in enumerate(("<f4", "i1", "<i2", "<i4", "<f2"))
}


def read_ct2(buffer: bytes | bytearray | memoryview, name: str) -> Arrays:
    """Variable name -> array as stored (views of `buffer`), aliases resolved.  InputError where it is damaged."""
    cursor = Cursor(buffer, name)
    version = cursor.number("I")
    if not 3 <= version <= NEWEST_VERSION:
        raise cursor.damaged(f"version {version} of the format is not supported")
    _string(cursor)  # name of the model's class
    cursor.number("I")  # its revision
    arrays = dict(_variable(cursor) for _ in range(cursor.number("I")))
    for _ in range(cursor.number("I")):
        alias, target = _string(cursor), _string(cursor)
        if target not in arrays:
            raise cursor.damaged(f"{alias} is an alias of {target}, which is missing")
        arrays[alias] = arrays[target]
    return arrays


def _variable(cursor: Cursor) -> tuple[str, NDArray[Any]]:
    name = _string(cursor)
    shape = cursor.numbers(f"{cursor.number('B')}I")
    code, size = cursor.numbers("BI")
    dtype = DTYPES.get(code)
    if dtype is None or prod(shape) * dtype.itemsize != size:
        raise cursor.damaged(f"{name} of shape {shape} and type {code} does not fit in {size} bytes")
    return name, cursor.array(dtype, prod(shape)).reshape(shape)


def _string(cursor: Cursor) -> str:
    return cursor.text(cursor.number("H")).removesuffix("\0")
