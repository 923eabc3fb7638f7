"""Product quantisation of vectors by faiss: what a byte for each group of values keeps of them."""

from typing import Any

import numpy as np

from embed.encoder import FloatArray
from embed.errors import InputError
from index.faiss_library import library, single_thread

BITS = 8
ROUNDS, MOST_ROWS = 6, 4096  # of a fit


def product_coded(rows: FloatArray, vectors: FloatArray, num_groups: int, seed: int = 0) -> FloatArray:
    """`vectors` [n, D] as their codes of `num_groups` bytes say; the centroids are fitted on `rows` [m, D].

    Fewer rows than 256 have fewer centroids.  The same input and seed give the same result.
    """
    width = vectors.shape[1]
    if len(rows) < 2 or num_groups < 1 or width % num_groups:
        raise InputError(
            f"{num_groups} groups of {width} values, fitted on {len(rows)} rows: give a divisor of {width}"
        )
    with single_thread():
        quantizer: Any = library().ProductQuantizer(width, num_groups, min(BITS, int(np.log2(len(rows)))))
        quantizer.cp.seed, quantizer.cp.niter, quantizer.cp.min_points_per_centroid = seed + 1, ROUNDS, 1
        quantizer.train(np.ascontiguousarray(rows[:: max(1, -(-len(rows) // MOST_ROWS))], np.float32))
        decoded: FloatArray = quantizer.decode(quantizer.compute_codes(np.ascontiguousarray(vectors, np.float32)))
    return decoded
