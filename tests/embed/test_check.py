"""A check that cannot be done is a problem."""

import pytest

from embed.check import Check, Problem, problems_of, tried
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
