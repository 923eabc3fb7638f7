"""Prepared queries: checked, cut to a width and of unit length, as every search takes them."""

from functools import cache
from typing import Any

import numpy as np

from embed.encoder import FloatArray, truncate
from embed.errors import InputError
from index.contracts import NO_ID


def prepared_queries(queries: Any, width: int, dim: int, compiled: bool = True) -> FloatArray:
    """Unit float32 [q, width], zero after `dim`; `compiled` takes a microsecond, after a second to load.

    Raises InputError for another shape, or naming the first row that is NaN, infinite or zero.
    """
    given = np.ascontiguousarray(queries, np.float32)
    if given.ndim != 2 or given.shape[1] != width:
        raise InputError(f"queries have shape {given.shape}; this index takes [any number, {width}]")
    ready = np.empty(given.shape, np.float32)
    wrong = (_prepare_compiled if compiled else _prepare)(given, dim, ready)
    if wrong != NO_ID:
        raise InputError(f"query {wrong} is zero or holds NaN or infinite values; was its speech or text empty?")
    return ready


@cache
def _kernels() -> Any:
    from index.rungs import kernels

    return kernels


def _prepare_compiled(given: FloatArray, dim: int, ready: FloatArray) -> int:
    return int(_kernels().prepare(given if given.flags.writeable else given.copy(), dim, ready))


def _prepare(given: FloatArray, dim: int, ready: FloatArray) -> int:
    """As `index.rungs.kernels.prepare`."""
    with np.errstate(over="ignore", invalid="ignore"):
        whole, prefix = (np.einsum("ij,ij->i", part, part) for part in (given, given[:, :dim]))
    wrong = np.flatnonzero(~np.isfinite(whole) | (prefix == 0))
    if wrong.size:
        return int(wrong[0])
    ready[:, :dim], ready[:, dim:] = truncate(given, dim), 0
    return NO_ID
