"""Mixed collections: speech and text searched together, by the index's rule of merging and by plain cosines.

The rule is linear in the cosine for each question and modality, so a product of longer vectors is its score: of
(slope x question, ..., offset, ...) with (document, 0, 1, 0) for speech and (0, document, 0, 1) for text.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from embed.encoder import FloatArray, truncate
from embed.errors import InputError
from evaluate.measures.by_dim import Rows
from index.calibration.merging import merge_rule

PLAIN = ", plain cosines"


def mixed_vectors(
    queries: Mapping[str, Rows],
    speech: Mapping[str, Rows],
    text: Mapping[str, Rows],
    systems: Sequence[str],
    dims: Sequence[int],
) -> tuple[dict[str, Rows], dict[str, Rows]]:
    """Questions and documents (speech, then text) by system: merged by the rule, and as `NAME, plain cosines`."""
    asked: dict[str, Rows] = {}
    kept: dict[str, Rows] = {}
    for name in systems:
        found = [queries[name], speech[name], text[name]]
        plain = [one for one in found if not isinstance(one, Mapping)]
        if len(plain) < len(found):
            raise InputError(f"system {name!r} has independent heads, which an index does not merge; remove it")
        merged = {dim: merged_at(plain[0], plain[1], plain[2], dim) for dim in dims}
        asked[name] = {dim: one for dim, (one, _) in merged.items()}
        kept[name] = {dim: one for dim, (_, one) in merged.items()}
        asked[name + PLAIN], kept[name + PLAIN] = plain[0], np.concatenate(plain[1:])
    return asked, kept


def merged_at(queries: FloatArray, speech: FloatArray, text: FloatArray, dim: int) -> tuple[FloatArray, FloatArray]:
    """Vectors [q, 2 dim + 2] and [n, 2 dim + 2] whose products are the merged scores at one width."""
    rule = merge_rule(queries, {"speech": speech, "text": text}, dim)
    unit, documents = truncate(queries, dim), np.zeros((len(speech) + len(text), 2 * dim + 2), np.float32)
    slopes, offsets = zip(*rule.values(), strict=True)
    asked = np.hstack([*(slope[:, None] * unit for slope in slopes), *(offset[:, None] for offset in offsets)])
    documents[: len(speech), :dim], documents[: len(speech), 2 * dim] = truncate(speech, dim), 1
    documents[len(speech) :, dim : 2 * dim], documents[len(speech) :, 2 * dim + 1] = truncate(text, dim), 1
    return asked.astype(np.float32), documents
