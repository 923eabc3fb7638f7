"""Texts to vectors on one thread: `JointEncoder.encode` against sentence-transformers, or a plain transformers loop.

sentence-transformers runs with its defaults (float32, batches of 32) and at its best: bfloat16 weights, the quickest of
some batch sizes.  A float32 peer's vectors must equal ours in float32; bfloat16 is compared to that by cosine.
"""

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
import torch

from embed.encoder import FloatArray
from embed.errors import DegluError
from embed.model.joint import JointEncoder
from embed.model.packaged.resolve import resolve
from embed.model.spec import EncoderSpec
from embed.model.towers.precision import effective_precision
from embed.model.weights import assemble
from evaluate.bench.embed.samples import texts
from evaluate.bench.shape import Row
from evaluate.bench.timing import interleaved

BATCH = 32
GRID = (8, 16, 32, 64)
ALONE = 32  # texts that are also encoded one by one
EQUAL = 0.9999  # lowest cosine of two vectors that count as equal, in float32
NEAR = 0.999  # and of bfloat16 to float32
OF_BEST, OF_DEFAULT = 1.5, 2.5  # goals: times the peer's speed
PREFIX = "passage: "
E5 = "packaged:multilingual-e5-small"
UNIT = "texts/cpu-s"

Encode = Callable[[], FloatArray]
Hardware = Literal["float32", "bfloat16"]


def text_rows(n: int) -> list[Row]:
    """Speeds, then the drift.  Raises DegluError where a float32 peer's vectors differ from ours."""
    some, real = texts(n)
    best = effective_precision("auto", "cpu")
    exact, quick = tower("float32"), tower(best)
    ours: dict[str, Encode] = {
        f"ours, {best}": lambda: quick.encode(some, "document"),
        "ours, float32": lambda: exact.encode(some, "document"),
    }
    theirs = peer(some)
    check_equal({"ours, float32": ours["ours, float32"](), **{name: encode() for name, encode in theirs.items()}})
    if find_spec("sentence_transformers"):
        size = best_batch(some, best)
        theirs[f"sentence-transformers, best ({best}, batches of {size})"] = sentence_transformers(some, best, size)
    speeds = {name: n / seconds for name, seconds in interleaved({**ours, **theirs}).items()}
    what = f"{n} {'' if real else 'made-up '}texts to vectors"
    return [*_speeds(what, speeds, list(ours), list(theirs)), *drift(exact, quick, some)]


def peer(some: Sequence[str]) -> dict[str, Encode]:
    """The peer with its defaults; a far slower loop in order of arrival where sentence-transformers is missing."""
    if find_spec("sentence_transformers"):
        name = f"sentence-transformers, default (float32, batches of {BATCH})"
        return {name: sentence_transformers(some, "float32", BATCH)}
    model = tower(None)
    return {f"transformers, float32, arrival order, batches of {BATCH}": lambda: plain(model, some)}


def _speeds(what: str, speeds: dict[str, float], ours: Sequence[str], theirs: Sequence[str]) -> list[Row]:
    rows = []
    for mine in dict.fromkeys(ours):
        for other in theirs:
            goal = OF_BEST if ", best" in other else OF_DEFAULT if ", default" in other else None
            goal = goal if mine == ours[0] else None
            rows.append(Row(f"{what}, {mine}", other, speeds[mine], speeds[other], UNIT, goal))
    if not any("sentence" in other for other in theirs):
        absent = "not installed: deglu[bench]"
        rows.append(Row(f"{what}, {ours[0]}", "sentence-transformers", speeds[ours[0]], None, UNIT, reason=absent))
    return rows


def drift(exact: JointEncoder, quick: JointEncoder, some: Sequence[str]) -> list[Row]:
    """Rows of cosines: of the quick tower to the float32 one, and of each tower to itself on single texts."""
    near = cosines(exact.encode(some, "document"), quick.encode(some, "document"))
    rows = [drift_row(f"lowest cosine of texts, {quick.precision}", near)]
    few = some[:ALONE]
    for model, goal in {exact.precision: (exact, EQUAL), quick.precision: (quick, None)}.values():
        alone = np.concatenate([model.encode([one], "document") for one in few])
        lowest = float(cosines(model.encode(few, "document"), alone).min())
        rows.append(
            Row(f"lowest cosine, {model.precision} in batches: {lowest:.6f}", "one by one", lowest, 1, "", goal)
        )
    return rows


def drift_row(what: str, near: FloatArray) -> Row:
    """Lowest cosine to float32; the measure's text repeats it, since printed lines have fewer digits."""
    lowest = float(near.min())
    return Row(f"{what}: {lowest:.6f}, mean {near.mean():.6f}", "float32", lowest, 1, "", NEAR)


def tower(precision: Hardware | None) -> JointEncoder:
    """The packaged text tower as an encoder; None leaves it as transformers loads it."""
    model = assemble(EncoderSpec.parse({"text": {"name": E5, "pooling": "mean", "document": PREFIX}, "dims": [384]}))
    return model if precision is None else model.for_inference(precision)


def plain(model: JointEncoder, some: Sequence[str]) -> FloatArray:
    """Vectors [n, D] of the same tower and tokenizer, used as its model card says: padded batches, mean pooling."""
    found = []
    for batch in batches(some, BATCH):
        tokens = model.text.tokenizer(
            [PREFIX + text for text in batch], padding=True, truncation=True, max_length=512, return_tensors="pt"
        )
        with torch.inference_mode():
            states = model.text.model(**tokens).last_hidden_state
            mask = tokens["attention_mask"].unsqueeze(-1)
            found.append(torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=-1).numpy())
    return np.concatenate(found)


def best_batch(some: Sequence[str], precision: Hardware) -> int:
    """The batch size of GRID at which sentence-transformers is quickest."""
    spent = interleaved({str(size): sentence_transformers(some, precision, size) for size in GRID}, rounds=1)
    return int(min(spent, key=spent.__getitem__))


def sentence_transformers(some: Sequence[str], precision: Hardware, size: int, device: str = "cpu") -> Encode:
    """The same weights in sentence-transformers, which sorts by length and makes batches by rows."""
    # A folder of plain transformers gets mean pooling, in every version of the library.
    library: Any = import_module("sentence_transformers")
    model = library.SentenceTransformer(
        resolve(E5), device=device, model_kwargs={"dtype": getattr(torch, precision), "add_pooling_layer": False}
    )
    prefixed = [PREFIX + text for text in some]
    return lambda: model.encode(prefixed, batch_size=size, normalize_embeddings=True, show_progress_bar=False)


def batches(some: Sequence[Any], size: int) -> Iterator[list[Any]]:
    for first in range(0, len(some), size):
        yield list(some[first : first + size])


def check_equal(vectors: dict[str, FloatArray]) -> None:
    """Raises DegluError where a way's vectors differ from the first way's: speeds are for equal vectors only."""
    (first, expected), *others = vectors.items()
    for name, found in others:
        lowest = float(cosines(expected, found).min())
        if not lowest >= EQUAL:
            raise DegluError(
                f"vectors of {name!r} and {first!r} differ: lowest cosine {lowest:.6f}, at least {EQUAL} is required; "
                "fix the difference before comparing speeds"
            )


def cosines(some: FloatArray, others: FloatArray) -> FloatArray:
    """Cosines [n] of rows in pairs."""
    norms = np.linalg.norm(some, axis=1) * np.linalg.norm(others, axis=1)
    found: FloatArray = np.einsum("nd,nd->n", some, others) / norms
    return found
