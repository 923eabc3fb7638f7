"""A check that cannot be done is a problem, and counts are words."""

import pytest

from embed.check import Check, Problem, many, many_files, problems_of, tried
from embed.errors import InputError


def failing(error: Exception) -> Check:
    raise error


def test_a_check_that_cannot_read_what_it_needs_has_a_problem() -> None:
    assert tried("rows", lambda: Check("rows", "3")) == Check("rows", "3")
    missing = tried("rows", lambda: failing(InputError("a: missing")))
    assert missing == Check("rows", "not checked", (Problem("a: missing"),))
    broken = tried("rows", lambda: failing(ValueError("bad\nvery")), (ValueError,), "; mend it")
    assert broken.problems == problems_of(["bad; mend it"])
    with pytest.raises(ValueError, match="bad"):
        tried("rows", lambda: failing(ValueError("bad")))


def test_counts() -> None:
    assert (many(1, "row"), many(0, "row"), many(1200, "row")) == ("1 row", "0 rows", "1,200 rows")
    assert many_files(3, 1_200_500_000) == "3 files, 1,200.5 MB"
