"""Sparse codes: a vector as the weighted sum of a few atoms of a learned dictionary.

Atoms are chosen by matching pursuit (Mallat and Zhang 1993), so the code of few atoms is the beginning of that of many;
the dictionary is learned by the method of optimal directions (Engan et al., ICASSP 1999).
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from embed.encoder import FloatArray, truncate

IntArray = NDArray[np.int64]

ATOM_BYTES = 4  # the atom's number and its weight, 2 bytes each
MOST_ATOMS = 1024  # of a dictionary; fewer rows have fewer
ROWS_PER_ATOM = 2
MOST_CHOSEN = 64  # of a vector
ROUNDS, CHOSEN, MOST_ROWS = 8, 8, 5000  # of learning
BLOCK = 4096  # rows at once: bounds memory
_RIDGE = 1e-3


def sparse_codes(
    rows: FloatArray, documents: FloatArray, sizes: Sequence[int], seed: int
) -> Iterator[tuple[int, FloatArray]]:
    """Bytes, and `documents` [n, D] as their codes of so many bytes say; the dictionary is learned from `rows`."""
    wanted = {size: size // ATOM_BYTES for size in sizes if 0 < size // ATOM_BYTES <= MOST_CHOSEN}
    if not wanted or len(rows) < ROWS_PER_ATOM:
        return
    atoms = dictionary(rows, seed)
    chosen, weights = pursuit(documents, atoms, max(wanted.values()))
    weights = weights.astype(np.float16).astype(np.float32)
    for size, count in wanted.items():
        yield size, _sums(chosen[:, :count], weights[:, :count], atoms)


def dictionary(rows: FloatArray, seed: int) -> FloatArray:
    """Atoms [a, D] of unit length; one that no row uses is replaced by a drawn row."""
    rng = np.random.default_rng(seed)
    if len(rows) > MOST_ROWS:
        rows = rows[np.sort(rng.choice(len(rows), MOST_ROWS, replace=False))]
    count = min(MOST_ATOMS, len(rows) // ROWS_PER_ATOM)
    atoms = truncate(rows[rng.choice(len(rows), count, replace=False)], rows.shape[1])
    for _ in range(ROUNDS):
        chosen, weights = pursuit(rows, atoms, CHOSEN)
        codes = np.zeros((len(rows), count))
        np.add.at(codes, (np.arange(len(rows))[:, None], chosen), weights)
        gram = codes.T @ codes + _RIDGE * np.eye(count)
        atoms = np.linalg.solve(gram, codes.T @ rows).astype(np.float32)
        unused = np.linalg.norm(atoms, axis=1) < _RIDGE
        atoms[unused] = rows[rng.choice(len(rows), int(unused.sum()))]
        atoms = truncate(atoms, rows.shape[1])
    return atoms


def pursuit(rows: FloatArray, atoms: FloatArray, count: int) -> tuple[IntArray, FloatArray]:
    """Atoms [n, count] and their weights, the most important first."""
    gram = atoms @ atoms.T
    chosen, weights = np.empty((len(rows), count), np.int64), np.empty((len(rows), count), np.float32)
    for start in range(0, len(rows), BLOCK):
        products = rows[start : start + BLOCK] @ atoms.T
        at = np.arange(len(products))
        for step in range(count):
            best = np.abs(products).argmax(axis=1)
            weight = products[at, best]
            chosen[start : start + BLOCK, step], weights[start : start + BLOCK, step] = best, weight
            products -= weight[:, None] * gram[best]
    return chosen, weights


def _sums(chosen: IntArray, weights: FloatArray, atoms: FloatArray) -> FloatArray:
    found = np.zeros((len(chosen), atoms.shape[1]), np.float32)
    for step in range(chosen.shape[1]):
        found += weights[:, step, None] * atoms[chosen[:, step]]
    return found
