"""Numbered files of one url: `audio_{0..31}.tar`, `shard-{000000..000099}.tar`, NeMo's `audio__OP_0..31_CL_.tar`."""

import re
from itertools import product

from embed.errors import SpecError

_RANGE = re.compile(r"(?:\{|_OP_)(\d+)\.\.(\d+)(?:\}|_CL_)")
_MOST = 1_000_000


def numbered(url: str) -> list[str]:
    """The urls in order; none where the url has no range of numbers.  Raises SpecError for a range that is too long."""
    parts = _RANGE.split(url)
    if len(parts) == 1:
        return []
    ranges = [_numbers(first, last) for first, last in zip(parts[1::3], parts[2::3], strict=True)]
    total = 1
    for one in ranges:
        total *= len(one)
    if not 0 < total <= _MOST:
        raise SpecError(f"{url}: a range of {total:,} numbers; give one of 1 to {_MOST:,}, the lower number first")
    return ["".join(map("".join, zip(parts[::3], (*chosen, ""), strict=True))) for chosen in product(*ranges)]


def folder_above(url: str) -> str:
    """The folder that has all numbered files of the url."""
    return _RANGE.split(url)[0].rpartition("/")[0]


def _numbers(first: str, last: str) -> list[str]:
    """As long as the first one, where that begins with a zero."""
    width = len(first) if first.startswith("0") else 0
    return [f"{number:0{width}}" for number in range(int(first), min(int(last), int(first) + _MOST) + 1)]
