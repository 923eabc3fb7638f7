"""Token counts of texts: the tokens of the text tower's own tokenizer, with their places in the text."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from embed.errors import SpecError
from embed.model.packaged.resolve import resolve
from embed.model.spec import TextTowerSpec

_FILE = "tokenizer.json"


class Words(Protocol):
    """Counts tokens.  It is sent to workers: its pickle is small, and it loads once there."""

    @property
    def digest(self) -> str:
        """Digest of all that decides the tokens."""

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Characters [start, end) of each token, in order; special tokens are left out."""


@dataclass(frozen=True)
class TowerWords:
    """The fast tokenizer of a text tower, by the tower's name."""

    tower: str
    digest: str

    def offsets(self, text: str) -> list[tuple[int, int]]:
        if _digest(self.tower) != self.digest:
            raise SpecError(
                f"text tower {self.tower!r}: its tokenizer on this machine is not the one that this job began with;"
                " use the same model files"
            )
        places: list[tuple[int, int]] = _loaded(self.tower).encode(text, add_special_tokens=False).offsets
        return places


def words_of(tower: str) -> TowerWords:
    """Words of a text tower, by the name in a model's spec.  Raises SpecError where it has no tokenizer."""
    return TowerWords(tower, _digest(tower))


def special_tokens(tower: TextTowerSpec) -> int:
    """Tokens around every document: those of the tokenizer, and the tower's own prefix."""
    tokenizer = _loaded(tower.name)
    prefix = len(tokenizer.encode(tower.document, add_special_tokens=False).ids) if tower.document else 0
    # Last pooling needs an end token, also where the tokenizer adds none.
    frame = max(tokenizer.num_special_tokens_to_add(False), int(tower.pooling == "last"))
    return prefix + int(frame)


@lru_cache(maxsize=2)
def _loaded(tower: str) -> Any:
    """The tokenizer; loaded once per process, only for text: it may take hundreds of megabytes."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_buffer(_found(tower, resolve(tower)).read_bytes())
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


@lru_cache(maxsize=2)
def _digest(tower: str) -> str:
    return hashlib.blake2b(_found(tower, resolve(tower)).read_bytes(), digest_size=16).hexdigest()


def _found(tower: str, place: str) -> Path:
    if (Path(place) / _FILE).is_file():
        return Path(place) / _FILE
    from transformers.utils import cached_file

    try:
        found = cached_file(place, _FILE)
    except OSError as error:
        raise SpecError(f"text tower {tower!r}: no {_FILE} found: {str(error).strip().splitlines()[0]}") from None
    if found is None:
        raise SpecError(f"text tower {tower!r}: no {_FILE}; cutting passages requires a fast tokenizer")
    return Path(found)
