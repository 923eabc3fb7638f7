"""Sentence templates, as Home Assistant writes them, and random sentences of them.

`[x]` is optional, `(a|b)` one of several, `(a;b)` all in any order, `<rule>` a named template, `{list}` or
`{list:slot}` a value of a list.
"""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from embed.errors import InputError

TOKENS = re.compile(r"[\[\]()|;]|<[^>]*>|\{[^}]*\}|[^\[\]()|;<{]+")
T = TypeVar("T")

DEEPEST = 30  # rules inside rules


@dataclass(frozen=True)
class Choice:
    """One of several sequences; `all` of them in any order where the template joins them by semicolons."""

    sequences: "tuple[tuple[str | Choice, ...], ...]"
    optional: bool = False
    all: bool = False


class Templates:
    """Rules and lists of a language; a list is its values, which are templates themselves."""

    def __init__(self, rules: Mapping[str, str], lists: Mapping[str, Sequence[str]]) -> None:
        self._rules, self._lists = rules, lists

    def sentences(self, template: str, most: int, seed: str) -> list[str]:
        """At most so many different sentences, in random order.  Raises InputError where it cannot be read."""
        chance = random.Random(f"{seed}|{template}")
        found: dict[str, None] = {}
        for _ in range(4 * most):  # a template with fewer sentences repeats them
            found.setdefault(" ".join(self._one(template, chance).split()))
            if len(found) == most:
                break
        return [one for one in found if one]

    def _one(self, template: str, chance: random.Random, depth: int = 0) -> str:
        if depth > DEEPEST:
            raise InputError(f"template {template!r}: its rules refer to themselves")
        return self._spoken(parse(template), chance, depth)

    def _spoken(self, choice: Choice, chance: random.Random, depth: int) -> str:
        if choice.optional and chance.random() < 0.5:
            return ""
        if choice.all:
            order = chance.sample(choice.sequences, len(choice.sequences))
            return " ".join(self._joined(sequence, chance, depth) for sequence in order)
        return self._joined(chance.choice(choice.sequences), chance, depth)

    def _joined(self, sequence: "tuple[str | Choice, ...]", chance: random.Random, depth: int) -> str:
        return "".join(
            self._word(one, chance, depth) if isinstance(one, str) else self._spoken(one, chance, depth)
            for one in sequence
        )

    def _word(self, word: str, chance: random.Random, depth: int) -> str:
        if word.startswith("<"):
            return self._one(self._known(self._rules, word.strip("<>")), chance, depth + 1)
        if word.startswith("{"):
            values = self._known(self._lists, word.strip("{}").partition(":")[0])
            return self._one(chance.choice(values), chance, depth + 1)
        return word

    def _known(self, known: Mapping[str, T], name: str) -> T:
        if name not in known:
            raise InputError(f"templates: {name!r} is not defined; known are {', '.join(sorted(known))}")
        return known[name]


@cache
def parse(template: str) -> Choice:
    """The template as choices.  Raises InputError where a bracket is not closed."""
    tokens = TOKENS.findall(template)
    choice, end = _choice(tokens, 0, "", template)
    if end != len(tokens):
        raise InputError(f"template {template!r}: {tokens[end]!r} closes nothing")
    return choice


def _choice(tokens: Sequence[str], at: int, closing: str, template: str) -> tuple[Choice, int]:
    """Sequences up to `closing`, and the place of that token."""
    sequences: list[list[str | Choice]] = [[]]
    joined = False
    while at < len(tokens) and tokens[at] not in ("]", ")"):
        token = tokens[at]
        if token in ("[", "("):
            inner, at = _choice(tokens, at + 1, "]" if token == "[" else ")", template)
            sequences[-1].append(inner)
        elif token in ("|", ";"):
            joined = token == ";"
            sequences.append([])
        else:
            sequences[-1].append(token)
        at += 1
    if closing and (at == len(tokens) or tokens[at] != closing):
        raise InputError(f"template {template!r}: a bracket is not closed by {closing!r}")
    return Choice(tuple(map(tuple, sequences)), closing == "]", joined), at
