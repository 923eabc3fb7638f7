"""Counts of an audit: kinds of questions, sums of several processes, and what cannot be counts."""

import json
from collections import Counter
from typing import Any

import pytest

from index.audit.counts import Counts, Kind, found, parsed, range_of, together

USUAL, FILTERED = Kind(0.95, "2-10", False), Kind(0.95, "2-10", True)


def test_ranges_of_k() -> None:
    assert [range_of(k) for k in (1, 2, 10, 11, 100, 101)] == ["1", "2-10", "2-10", "11-100", "11-100", "over 100"]


def test_counts_of_several_processes_are_added() -> None:
    one, other = Counts(asked=10, exact=1), Counts(asked=5, dropped=2, failed=1)
    one.add(USUAL, 0.9)
    one.add(USUAL, 2 / 3)
    other.add(USUAL, 0.9)
    other.add(FILTERED, 1.0)
    read = [parsed(json.loads(json.dumps(counts.document()))) for counts in (one, other)]
    assert read == [one, other]
    both = together(read)
    assert (both.asked, both.exact, both.dropped, both.failed, both.audited) == (15, 1, 2, 1, 4)
    assert both.shares == {USUAL: Counter({0.9: 2, 0.667: 1}), FILTERED: Counter({1.0: 1})}
    assert together([]) == Counts()


def test_a_filter_that_breaks_the_promise_is_seen_among_others() -> None:
    counts = Counts()
    for kind, share, number in ((USUAL, 1.0, 3_000), (FILTERED, 0.7, 60)):
        for _ in range(number):
            counts.add(kind, share)
    rows = {(row.hits, row.filtered): row for row in found(counts)}
    assert [key for key, row in rows.items() if row.broken] == [("2-10", True)]
    assert rows["2-10", True].kind == "2-10 hits, with a filter"
    assert rows[None, None].questions == 3_060
    assert not rows[None, None].kind


def test_one_kind_is_one_row() -> None:
    counts = Counts()
    counts.add(Kind(0.99, "1", False), 1.0)
    counts.add(USUAL, 1.0)
    assert [(row.promised, row.hits, row.questions) for row in found(counts)] == [(0.95, None, 1), (0.99, None, 1)]


@pytest.mark.parametrize(
    "change",
    [
        {"asked": -1},
        {"asked": "many"},
        {"kinds": [{"promised": 0.95, "hits": "1", "filtered": False, "shares": {"1.5": 1}}]},
        {"kinds": [{"promised": 0.95, "hits": "1", "filtered": False, "shares": {"0.5": -1}}]},
    ],
    ids=["negative", "no number", "no share", "negative count"],
)
def test_what_cannot_be_counts_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="is no"):
        parsed(Counts().document() | change)
