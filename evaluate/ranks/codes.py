"""Codes of vectors: a table of the ways to keep a document in a given number of bytes.

- prefix, pca, svd, random, rotated: values in float16, so half as many of them as bytes; a prefix is what Matryoshka
  training orders, pca and svd what is best linearly, random dims and rotated prefixes what no order gives
- int8: a prefix with one byte a value; binary: one bit a value
- product: one byte for each group of values (Jégou et al., PAMI 2011), after a random rotation
- sparse: a few atoms of a learned dictionary, 2 bytes for the atom and 2 for its weight

All are fitted on other rows than those that are searched or asked.  Products of the returned vectors are the scores.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from embed.encoder import FloatArray, truncate
from evaluate.ranks.sparse import sparse_codes
from index.product import product_coded

Coded = Iterator[tuple[int, FloatArray, FloatArray]]  # bytes, queries [q, d], documents [n, d]
# Fitting rows [m, D], queries [q, D], documents [n, D], sizes in bytes, seed.  A size that a code cannot have is
# passed over.
Code = Callable[[FloatArray, FloatArray, FloatArray, Sequence[int], int], Coded]

VALUE_BYTES = 2  # float16
CLIPPED = 0.1  # percent of a dimension's values beyond the largest step of int8, on each side


def prefix(rows: FloatArray, queries: FloatArray, documents: FloatArray, sizes: Sequence[int], seed: int) -> Coded:
    return _values(queries, documents, sizes, queries.shape[1])


def pca(rows: FloatArray, queries: FloatArray, documents: FloatArray, sizes: Sequence[int], seed: int) -> Coded:
    """The axes of the largest variance around the mean."""
    centre = rows.mean(axis=0)
    axes = _axes(rows - centre)
    return _values((queries - centre) @ axes, (documents - centre) @ axes, sizes, min(len(rows) - 1, axes.shape[1]))


def svd(rows: FloatArray, queries: FloatArray, documents: FloatArray, sizes: Sequence[int], seed: int) -> Coded:
    """The first singular directions: as pca, around 0."""
    axes = _axes(rows)
    return _values(queries @ axes, documents @ axes, sizes, min(len(rows), axes.shape[1]))


def random(rows: FloatArray, queries: FloatArray, documents: FloatArray, sizes: Sequence[int], seed: int) -> Coded:
    """Dimensions in a random order."""
    order = np.random.default_rng(seed).permutation(queries.shape[1])
    return _values(queries[:, order], documents[:, order], sizes, len(order))


def rotated(rows: FloatArray, queries: FloatArray, documents: FloatArray, sizes: Sequence[int], seed: int) -> Coded:
    """Prefixes after a random rotation."""
    rotation = random_rotation(queries.shape[1], seed)
    return _values(queries @ rotation, documents @ rotation, sizes, len(rotation))


def int8(rows: FloatArray, queries: FloatArray, documents: FloatArray, sizes: Sequence[int], seed: int) -> Coded:
    """A prefix in steps of a 127th of each dimension's largest value."""
    low, high = np.percentile(rows, [CLIPPED, 100 - CLIPPED], axis=0)
    step = (np.maximum(np.maximum(-low, high), np.finfo(np.float32).tiny) / 127).astype(np.float32)
    for size in sizes:
        if size <= documents.shape[1]:
            codes = np.clip(np.round(documents[:, :size] / step[:size]), -127, 127)
            yield size, truncate(queries, size), truncate(codes * step[:size], size)


def binary(rows: FloatArray, queries: FloatArray, documents: FloatArray, sizes: Sequence[int], seed: int) -> Coded:
    """Signs of a prefix around the mean; the question's values are kept."""
    centre = rows.mean(axis=0)
    for size in sizes:
        dim = 8 * size
        if dim <= documents.shape[1]:
            signs = np.where(documents[:, :dim] > centre[:dim], np.float32(1), np.float32(-1))
            yield size, truncate(queries - centre, dim), truncate(signs, dim)


def product(rows: FloatArray, queries: FloatArray, documents: FloatArray, sizes: Sequence[int], seed: int) -> Coded:
    rotation = random_rotation(queries.shape[1], seed)
    turned = [one @ rotation for one in (rows, documents)]
    for size in sizes:
        if size < len(rotation) and len(rotation) % size == 0:
            yield size, queries @ rotation, product_coded(turned[0], turned[1], size, seed)


def sparse(rows: FloatArray, queries: FloatArray, documents: FloatArray, sizes: Sequence[int], seed: int) -> Coded:
    for size, found in sparse_codes(rows, documents, sizes, seed):
        yield size, queries, truncate(found, found.shape[1])


CODES: dict[str, Code] = {
    "prefix": prefix,
    "pca": pca,
    "svd": svd,
    "random": random,
    "rotated": rotated,
    "int8": int8,
    "binary": binary,
    "product": product,
    "sparse": sparse,
}


def random_rotation(dim: int, seed: int) -> FloatArray:
    """A rotation [dim, dim] drawn evenly from all."""
    drawn, upper = np.linalg.qr(np.random.default_rng(seed).normal(size=(dim, dim)))
    rotation: FloatArray = (drawn * np.sign(np.diag(upper))).astype(np.float32)
    return rotation


def _axes(rows: FloatArray) -> FloatArray:
    """Eigenvectors [D, D] of the rows' second moments, the largest first, as columns; signs are fixed."""
    moments = rows.T.astype(np.float64) @ rows
    _, vectors = np.linalg.eigh(moments)
    vectors = vectors[:, ::-1]
    signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(len(vectors))])
    axes: FloatArray = (vectors * signs).astype(np.float32)
    return axes


def _values(queries: FloatArray, documents: FloatArray, sizes: Sequence[int], most: int) -> Coded:
    """The first values, as many as fit into the bytes, of unit length again."""
    for size in sizes:
        dim = size // VALUE_BYTES
        if 0 < dim <= most:
            kept = truncate(documents, dim).astype(np.float16).astype(np.float32)
            yield size, truncate(queries, dim), truncate(kept, dim)
