"""Table of a dataset of texts, made from vectors, for benches that build a real index."""

import numpy as np
import pyarrow as pa

from embed.encoder import FloatArray
from embed.identity import digest
from embed.tables import ID, TEXT, rows

SPACE = "made-up"


def table_of(vectors: FloatArray) -> pa.Table:
    """`embed.tables.rows(D)` of unit rows [n, D], in their order.  Every row is a document of its own."""
    count, width = vectors.shape
    schema = rows(width)
    ids = pa.array([digest("row", i) for i in range(count)], ID)
    given = {
        "segment_id": ids,
        "asset_id": ids,
        "unit_id": ids,
        "uri": pa.array([f"made-up/{i}" for i in range(count)]),
        "content_version": pa.array(["1"] * count),
        "modality": pa.array([TEXT] * count),
        "space": pa.array([SPACE] * count),
        "encoder": pa.array(["made-up"] * count),
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.astype(np.float16).reshape(-1)), width),
    }
    columns = [given.get(field.name, pa.nulls(count, field.type)).cast(field.type) for field in schema]
    return pa.table(columns, schema=schema)
