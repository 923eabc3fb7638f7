"""The two data sets of the index bench: real passages as vectors of an encoder, and as static Matryoshka vectors.

- "transformer": the demo encoder.  "static": wordllama's 256-d weights, mean of a text's token vectors.
- Two kinds of queries, in equal number and in turn: held-out passages (as documents: "more like this") and short spans
  of other held-out passages (as queries, as typed by users).  Calibration and report share no passage.
- Vectors are kept in the cache in parts named by encoder, role and texts, so a run that was stopped continues.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from embed.encoder import FloatArray, Role
from embed.errors import DataUnavailable
from embed.identity import file_sha256
from embed.model.handle import resolve_model
from embed.model.weights import load_model
from embed.storage.cache import cache_folder
from evaluate.bench.index.passages import FEW, MORE, passages, spans

PART = 2_000  # texts of one file in the cache: a minute's work
QUERIES = 1_000  # of each kind, for calibration and for report
STATIC = "wordllama"
STATIC_FILES = ("weights/l2_supercat_256.safetensors", "tokenizers/l2_supercat_tokenizer_config.json")

Encode = Callable[[Sequence[str], Role], FloatArray]


@dataclass(frozen=True)
class Vectors:
    """Unit rows [n, D] and unit queries [q, D]; queries of even number are passages, of odd number spans."""

    name: str
    rows: FloatArray
    calibration: FloatArray
    report: FloatArray
    dims: tuple[int, ...]  # widths whose prefixes are valid, descending


@dataclass(frozen=True)
class Source:
    """An encoder of the bench and its default number of rows."""

    name: str
    rows: int
    dims: tuple[int, ...]
    encode: Encode
    key: str  # its fingerprint

    def vectors(self, texts: Sequence[str], n: int, queries: int = QUERIES) -> Vectors:
        """n rows of the first n texts; queries from later ones.  Raises DataUnavailable for too few texts."""
        if len(texts) < n + 4 * queries:
            raise DataUnavailable(
                f"{len(texts)} passages are too few for {n} rows and {4 * queries} held out; give a smaller --n"
            )
        held_out = texts[n : n + 4 * queries]
        return Vectors(
            self.name,
            self.cached(texts[:n], "document"),
            self._queries(held_out[: 2 * queries]),
            self._queries(held_out[2 * queries :]),
            self.dims,
        )

    def _queries(self, held_out: Sequence[str]) -> FloatArray:
        """Queries [len(held_out), D]: the first half as passages, spans of the second half, in turn."""
        half = len(held_out) // 2
        pairs = [self.cached(held_out[:half], "document"), self.cached(spans(held_out[half:]), "query")]
        return np.ascontiguousarray(np.stack(pairs, axis=1).reshape(2 * half, -1))

    def cached(self, texts: Sequence[str], role: Role) -> FloatArray:
        """Vectors [n, D], part by part from the cache, or encoded and stored there."""
        starts = range(0, len(texts), PART)
        return np.concatenate([self._part(texts[start : start + PART], role) for start in starts])

    def _part(self, texts: Sequence[str], role: Role) -> FloatArray:
        path = part_path(self.name, self.key, texts, role)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(f".{os.getpid()}-{path.name}")
            np.save(draft, self.encode(texts, role))
            draft.replace(path)
        found: FloatArray = np.load(path)
        return found


def part_path(name: str, key: str, texts: Sequence[str], role: Role) -> Path:
    """The file in the cache for the vectors of these texts, by this encoder in this role."""
    key_of_texts = blake2b("\0".join(texts).encode(), digest_size=16).hexdigest()
    return cache_folder() / "bench" / "index" / f"{name}-{key[:16]}" / f"{role}-{len(texts)}-{key_of_texts}.npy"


def transformer() -> Source:
    """The demo encoder, in bfloat16 where the hardware has it, as in searches."""
    model = load_model(resolve_model("demo"), precision="auto")

    def encode(texts: Sequence[str], role: Role) -> FloatArray:
        return np.asarray(model.encode(texts, role), np.float32)

    return Source("transformer", 100_000, tuple(model.dims), encode, model.fingerprints.encoder)


def static() -> Source:
    """wordllama's vectors, trained as Matryoshka.  Raises DataUnavailable where the package is not installed.

    Its files are read directly: its own loader looks for them in another place and then on the network.
    """
    package = find_spec(STATIC)
    if package is None or package.origin is None:
        raise DataUnavailable(f"static vectors: {STATIC} is not installed; install deglu[bench]")
    weights, tokens = (Path(package.origin).parent / file for file in STATIC_FILES)
    table = load_file(weights)["embedding.weight"].astype(np.float32)
    tokenizer = Tokenizer.from_file(str(tokens))

    def encode(texts: Sequence[str], role: Role) -> FloatArray:
        return means(table, [found.ids for found in tokenizer.encode_batch(texts, add_special_tokens=False)])

    return Source("static", 200_000, (256, 128, 64), encode, file_sha256(weights))


def means(table: FloatArray, tokens: Sequence[Sequence[int]]) -> FloatArray:
    """[n, D] unit means of each text's rows of the table; every text has at least one token."""
    starts = np.cumsum([0, *map(len, tokens[:-1])])
    sums = np.add.reduceat(table[np.concatenate(tokens)], starts, axis=0)
    unit: FloatArray = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    return unit


SOURCES: dict[str, Callable[[], Source]] = {"transformer": transformer, "static": static}


def texts_for(n: int) -> list[str]:
    """Enough passages for n rows and their queries, from as few packages as possible."""
    few = texts_of(FEW)
    return list(few if len(few) >= n + 4 * QUERIES else texts_of(FEW + MORE))


@cache
def texts_of(packages: tuple[str, ...]) -> dict[str, str]:
    """Passages of these packages, with their languages."""
    return passages(cache_folder(), packages)
