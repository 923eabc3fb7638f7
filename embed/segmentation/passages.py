"""Passages: the spans of whole sentences that a text is cut into, counted in the model's own tokens.

A passage is exactly `text[start:end]` of its document.  Tokens are counted once, over the whole document; a passage
alone may have a few more, since a tokenizer may treat the beginning of a text differently (`SLACK_TOKENS`).
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from embed.base_spec import Spec
from embed.segmentation.tokens import Words
from embed.text.documents import is_blank

TITLE_TOKENS = 64  # of a title, at most; it is put before every passage of its document
SLACK_TOKENS = 8

# Characters of one call of the tokenizer: its result takes a hundred bytes for each token.
_AT_ONCE = 1 << 16
_BLANK = "".join(char for char in map(chr, range(0x3001)) if char.isspace()) + "\ufeff"
# A sentence ends with its mark, closing quotes included, before white space; or at once with a CJK mark.
_SENTENCE_END = re.compile(r"[.!?…؟۔।]+[\"'”’»)\]]*\s+|[。！？]+[」』”’]*\s*")

Span = tuple[int, int]  # characters, half open
Ints = NDArray[np.int64]


class PassageSpec(Spec):
    """Rules for cutting texts into passages and units."""

    max_tokens: int = Field(default=256, ge=16, description="Greatest length of a passage, without its title.")
    overlap_tokens: int = Field(default=32, ge=0, description="Tokens of whole sentences repeated in the next passage.")
    unit_bytes: int = Field(default=1_000_000, ge=1, description="Length of a unit of work, of .txt and .jsonl.")
    unit_rows: int = Field(default=2_000, ge=1, description="Length of a unit of work, of tables (csv, parquet).")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.overlap_tokens > self.max_tokens // 2:
            raise ValueError(
                f"overlap_tokens {self.overlap_tokens} is over half of max_tokens {self.max_tokens}; lower it"
            )
        return self

    def cutting(self) -> dict[str, Any]:
        """The fields that decide the passages; the size of units does not."""
        return {name: value for name, value in self.defining().items() if name not in ("unit_bytes", "unit_rows")}


def spans(text: str, spec: PassageSpec, words: Words) -> list[Span]:
    """Passages of a document: whole sentences, as many as fit in `max_tokens`; stripped, never empty.

    A longer sentence is cut at the end of a word, else of a token.
    """
    if is_blank(text):
        return []
    sentences = list(_sentences(text))
    counted = _Counted(text, sentences, words)
    pieces = [piece for sentence in sentences for piece in counted.fitting(*sentence, spec.max_tokens)]
    return _packed(pieces, counted, spec)


def shortened(title: str, words: Words) -> str:
    """The words of a title that fit in `TITLE_TOKENS`."""
    title = " ".join(title.split())
    first = title[:_AT_ONCE]
    return first[: next(_Counted(first, [(0, len(first))], words).fitting(0, len(first), TITLE_TOKENS), (0, 0))[1]]


class _Counted:
    """A document with the ends of its tokens."""

    def __init__(self, text: str, sentences: list[Span], words: Words) -> None:
        self._text = text
        places = [_token_ends(text[a:b], words) + a for a, b in _together(sentences)]
        self._ends: Ints = np.concatenate([np.zeros(0, np.int64), *places])

    def before(self, places: Ints) -> Ints:
        """Number of tokens that end at or before each place."""
        found: Ints = np.searchsorted(self._ends, places, side="right")
        return found

    def fitting(self, start: int, end: int, most: int) -> Iterator[Span]:
        """A sentence in pieces of up to `most` tokens, cut where a word ends."""
        text = self._text
        first, last = (int(at) for at in self.before(np.asarray([start, end])))
        while last - first > most:
            limit = max(int(self._ends[first + most - 1]), start + 1)
            yield from _stripped(text, start, _word_end(text, start, limit))
            start = next((at for at, _ in _stripped(text, _word_end(text, start, limit), end)), end)
            first = int(self.before(np.asarray([start]))[0])
        yield from _stripped(text, start, end)


def _packed(pieces: list[Span], counted: _Counted, spec: PassageSpec) -> list[Span]:
    starts, ends = (np.asarray([piece[side] for piece in pieces], np.int64) for side in (0, 1))
    low, high = counted.before(starts).tolist(), counted.before(ends).tolist()
    found: list[Span] = []
    first = 0
    while first < len(pieces):
        last = first
        while last + 1 < len(pieces) and high[last + 1] - low[first] <= spec.max_tokens:
            last += 1
        found.append((pieces[first][0], pieces[last][1]))
        following = last + 1
        # Repeat sentences of this passage in the next, as many as fit in the overlap and next to its first sentence.
        while following < len(pieces) and following - 1 > first:
            repeated = high[last] - low[following - 1]
            if repeated > spec.overlap_tokens or high[last + 1] - low[following - 1] > spec.max_tokens:
                break
            following -= 1
        first = following
    return found


def _sentences(text: str) -> Iterator[Span]:
    start = 0
    for mark in _SENTENCE_END.finditer(text):
        yield from _bounded(text, start, mark.end())
        start = mark.end()
    yield from _bounded(text, start, len(text))


def _bounded(text: str, start: int, end: int) -> Iterator[Span]:
    """A sentence, stripped; one that is too long for the tokenizer is split."""
    for at, stop in _stripped(text, start, end):
        while stop - at > _AT_ONCE:
            cut = _word_end(text, at, at + _AT_ONCE)
            yield from _stripped(text, at, cut)
            at = cut
        yield from _stripped(text, at, stop)


def _together(sentences: list[Span]) -> Iterator[Span]:
    """Neighbouring sentences that are counted in one call of the tokenizer."""
    edges = [0]
    for number, (_, end) in enumerate(sentences):
        if end - sentences[edges[-1]][0] > _AT_ONCE and number > edges[-1]:
            edges.append(number)
    edges.append(len(sentences))
    for first, stop in pairwise(edges):
        if stop > first:
            yield sentences[first][0], sentences[stop - 1][1]


def _token_ends(text: str, words: Words) -> Ints:
    # A token is counted where it ends: it may begin with the white space before its word.
    ends = np.asarray([end for _, end in words.offsets(text)], np.int64)
    found: Ints = np.maximum.accumulate(ends) if len(ends) else ends
    return found


def _word_end(text: str, start: int, limit: int) -> int:
    """End of the last word that ends by `limit`; `limit` itself where no word does."""
    if limit >= len(text) or text[limit].isspace():
        return limit
    at = limit
    while at > start and not text[at - 1].isspace():
        at -= 1
    return at if text[start:at].strip(_BLANK) else limit


def _stripped(text: str, start: int, end: int) -> Iterator[Span]:
    """The span without white space around it; nothing where it is empty."""
    part = text[start:end]
    if core := part.strip(_BLANK):
        at = start + part.index(core)
        yield at, at + len(core)
