"""Vocabulary of a unigram tokenizer, stored in the cache folder: a question needs some hundred of its pieces.

Loading 250,000 pieces takes a second, of which the search for the best split builds a tree.  Only pieces that occur in
a text decide how it is split, so a tokenizer with these, and with the lowest score of all, gives the same ids.
"""

import json
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from embed.errors import StorageError
from embed.identity import file_sha256
from embed.storage.cache import cache_folder, make_folder

FOLDER, FILE, VERSION = "vocabularies", "pieces.npz", 1
SMALLEST_STORED = 1 << 20  # bytes of `tokenizer.json`; a smaller one is loaded as fast
MOST_KEPT = 1024  # pieces that keep their places, up to the last special token
UNIGRAM = {"type": "Unigram", "byte_fallback": False}


class Vocabulary:
    """The pieces in the order of their bytes, with ids and scores; `shell` is a `tokenizer.json` of the first few.

    The first `kept` pieces, with all special tokens, are in every tokenizer at their own ids.
    """

    def __init__(self, arrays: dict[str, NDArray[Any]]) -> None:
        self._shell: dict[str, Any] = json.loads(arrays["shell"].tobytes())
        self._pieces = _Pieces(arrays["text"].tobytes(), arrays["starts"])
        self._ids, self._scores = arrays["ids"], arrays["scores"]
        self._lowest = int(self._scores.argmin())
        self.kept = len(self._shell["model"]["vocab"])

    def shell(self) -> str:
        """A `tokenizer.json` with the kept pieces alone: it splits a text into words as the whole one does."""
        return json.dumps(self._shell)

    def of_words(self, words: Iterable[str]) -> tuple[str, NDArray[np.int64]]:
        """A `tokenizer.json` that splits these words as the whole one does, and the id of each of its pieces."""
        places = sorted({self._lowest}.union(*(self._inside(word) for word in words)))
        pieces = [[self._pieces[place].decode(), float(self._scores[place])] for place in places]
        first = self._shell["model"]["vocab"]
        found = self._shell | {"model": self._shell["model"] | {"vocab": [*first, *pieces]}}
        return json.dumps(found), np.concatenate([np.arange(self.kept), self._ids[places]])

    def _inside(self, word: str) -> Iterator[int]:
        """Places of all pieces that occur in a word."""
        for start in range(len(word)):
            place = 0
            for end in range(start + 1, len(word) + 1):
                begin = word[start:end].encode()
                place = bisect_left(self._pieces, begin, place)
                piece = self._pieces[place] if place < len(self._pieces) else b""
                if piece == begin:
                    yield place
                elif not piece.startswith(begin):
                    break  # nor does a longer one begin so


def stored_vocabulary(file: Path) -> Vocabulary | None:
    """The vocabulary of a `tokenizer.json`, from the cache folder, which gets it on first use.

    None for another kind of tokenizer and for a small one, and where the cache cannot be written or read.
    """
    if file.stat().st_size < SMALLEST_STORED:
        return None
    with suppress(StorageError, OSError, ValueError, KeyError, BadZipFile):
        target = cache_folder() / FOLDER / f"{file_sha256(file)[:32]}-{VERSION}"
        if not target.is_dir():
            arrays = _arrays(json.loads(file.read_bytes()))
            make_folder(target, lambda folder: np.savez(folder / FILE, allow_pickle=False, **arrays))
        # Opened here: where it is damaged, numpy leaves open what it opened itself.
        with (target / FILE).open("rb") as source, np.load(source, allow_pickle=False) as found:
            return Vocabulary(dict(found)) if "text" in found else None
    return None


def _arrays(values: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """What is stored of a `tokenizer.json`; nothing where its ids need more than the pieces in a text."""
    model = values["model"]
    vocabulary = model.get("vocab")
    if any(model.get(name) != value for name, value in UNIGRAM.items()) or model.get("unk_id") is None:
        return {}
    kept = 1 + max([model["unk_id"], *_fixed_ids(values)])
    if kept > MOST_KEPT:
        return {}
    numbers = {piece.encode(): number for number, (piece, _) in enumerate(vocabulary) if piece}  # the last one counts
    pieces = sorted(numbers)
    shell = values | {"model": model | {"vocab": vocabulary[:kept]}}
    ids = np.array([numbers[piece] for piece in pieces], np.int64)
    return {
        "shell": np.frombuffer(json.dumps(shell).encode(), np.uint8),
        "text": np.frombuffer(b"".join(pieces), np.uint8),
        "starts": np.cumsum([0, *map(len, pieces)], dtype=np.int64),
        "ids": ids,
        "scores": np.array([score for _, score in vocabulary], np.float64)[ids],
    }


def _fixed_ids(values: dict[str, Any]) -> list[int]:
    """Ids that the file names outside of its vocabulary: of added tokens, and of those that frame a text."""
    added = [token["id"] for token in values.get("added_tokens") or ()]
    frame = (values.get("post_processor") or {}).get("special_tokens") or {}
    return added + [number for token in frame.values() for number in token["ids"]]


class _Pieces(Sequence[bytes]):
    """Pieces of one buffer, each from its start to the next one's."""

    def __init__(self, text: bytes, starts: NDArray[np.int64]) -> None:
        self._text, self._starts = text, starts.data  # the numbers of the buffer are plain ones

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __getitem__(self, place: Any) -> Any:
        return self._text[self._starts[place] : self._starts[place + 1]]
