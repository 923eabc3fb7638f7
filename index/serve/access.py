"""Access: which callers see which rows.

A row is open unless its metadata has `access`, the name of a group; such a row is found, counted, shown and played
only for callers of that group.  Callers are known by bearer tokens, whose hashes alone are kept in memory.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from embed.errors import SpecError
from index.filter import Where, parse_where

ACCESS, OPEN = "access", "open"
EVERY_ROW_OPEN = f"metadata['{ACCESS}'] is null or metadata['{ACCESS}'] = '{OPEN}'"
RESTRICTED = f"metadata['{ACCESS}'] is not null and metadata['{ACCESS}'] <> '{OPEN}'"


@dataclass(frozen=True)
class Caller:
    """Who asks: a name for limits, and the groups whose rows may be seen."""

    name: str
    groups: tuple[str, ...] = ()

    def may_see(self, metadata: Mapping[str, str]) -> bool:
        return metadata.get(ACCESS, OPEN) in (OPEN, *self.groups)

    def where(self, asked: str | None, restricted: bool) -> Where | None:
        """The filter of a search: what is asked for, among the rows that the caller may see.

        `restricted` says whether the index has rows that not everybody may see.  Raises InputError for a filter that
        is not of the language.
        """
        own = parse_where(asked) if asked else None
        if not restricted:
            return own
        mine = " or ".join([EVERY_ROW_OPEN, *(f"metadata['{ACCESS}'] = {quoted(one)}" for one in self.groups)])
        # First, so that nothing in the caller's text can take it away.
        return parse_where(f"({mine}) and ({asked})" if asked else mine)


@dataclass(frozen=True)
class Tokens:
    """Bearer tokens and the groups of their holders; without any, every caller is welcome and in no group."""

    groups: Mapping[bytes, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str | None) -> "Tokens":
        """Reads `{"TOKEN": ["group", ...]}`.  Raises SpecError, which does not show the text."""
        if not text:
            return cls()
        try:
            found = json.loads(text)
        except ValueError:
            raise _wrong() from None
        if not isinstance(found, dict) or not found or not all(_are_groups(one) for one in found.values()):
            raise _wrong()
        if any(len(token) < 16 for token in found):
            raise SpecError("DEGLU_TOKENS: a token has under 16 characters; make one with `openssl rand -hex 24`")
        return cls({_hash(token): tuple(groups) for token, groups in found.items()})

    def __bool__(self) -> bool:
        return bool(self.groups)

    def caller(self, authorization: str | None, address: str) -> Caller | None:
        """The caller of a request; None where tokens are required and this is none of them."""
        if not self.groups:
            return Caller(address)
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        given = _hash(token.strip())
        found = [groups for known, groups in self.groups.items() if hmac.compare_digest(known, given)]
        return Caller(given.hex()[:16], found[0]) if found else None


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()


def _are_groups(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(one, str) for one in value)


def _wrong() -> SpecError:
    return SpecError('DEGLU_TOKENS is not JSON of the form {"TOKEN": ["group", ...]}')


def quoted(text: str) -> str:
    """A text as a literal of the filter language."""
    return "'" + text.replace("'", "''") + "'"
