"""Attempts are one small value that is handed down."""

import copy
from dataclasses import astuple

from jobs.cluster.attempts import ATTEMPTS, Attempts


def test_all_are_given_up_some_day() -> None:
    assert all(0 < count < 10 for count in astuple(ATTEMPTS))
    assert ATTEMPTS.starts_ahead > ATTEMPTS.starts, "a unit that is cut ahead is marked by two"
    assert copy.deepcopy(Attempts(starts=5)) == Attempts(starts=5) != ATTEMPTS
