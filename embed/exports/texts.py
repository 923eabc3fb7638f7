"""Vectors as text: each number in the fewest digits that give the same float32 again."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def as_texts(vectors: pa.Array) -> list[str]:
    """`[0.1,-0.25]` for each row: a JSON array, and the form of a vector in pgvector."""
    numbers = pc.cast(vectors.flatten(), pa.string())
    ends = np.arange(len(vectors) + 1, dtype=np.int32) * vectors.type.list_size
    joined = pc.binary_join(pa.ListArray.from_arrays(pa.array(ends), numbers), ",")
    return [f"[{line}]" for line in joined.to_pylist()]
