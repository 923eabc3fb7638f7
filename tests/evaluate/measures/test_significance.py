"""Randomisation tests and Holm's correction, against closed forms and simulation."""

from itertools import product

import numpy as np
import pytest

from embed.errors import InputError
from evaluate.measures.significance import holm, letters, pairwise_p, randomisation_p


def test_p_is_the_share_of_all_signs_that_differ_as_much() -> None:
    differences = np.asarray([[0.3, -0.1, 0.4, 0.2, 0.0, 0.5, -0.2, 0.1]])
    means = [abs(np.dot(signs, differences[0])) for signs in product((-1, 1), repeat=8)]
    exact = np.mean([one >= abs(differences.sum()) - 1e-12 for one in means])
    assert randomisation_p(differences, draws=40_000)[0] == pytest.approx(exact, abs=0.006)
    assert randomisation_p(np.zeros((1, 5)))[0] == 1.0
    assert randomisation_p(np.ones((1, 60)), draws=99)[0] == 0.01


def test_holm_as_in_the_book() -> None:
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.6, 0.9]), [1.0, 1.0])


def test_letters_name_those_that_are_exceeded() -> None:
    rng = np.random.default_rng(0)
    base = rng.random(400)
    values = {"low": base, "same": base + rng.normal(0, 1e-3, 400), "high": base + 0.2}
    found = letters(values, pairwise_p(values))
    assert found == {"low": "", "same": "", "high": "ab"}
    assert pairwise_p({"alone": base}) == {}


def test_refuses_nan_and_nothing() -> None:
    for wrong in (np.full((1, 3), np.nan), np.zeros((0, 3)), np.zeros(3)):
        with pytest.raises(InputError, match="finite differences"):
            randomisation_p(wrong)


@pytest.mark.campaign
def test_false_alarms_are_five_in_a_hundred_and_a_family_has_no_more() -> None:
    """Four equal systems, six pairs; values in steps, as of recall, have fewer alarms: equal means are likely."""
    rng = np.random.default_rng(1)
    rounds, single, family = 3000, {True: 0, False: 0}, {True: 0, False: 0}
    for number in range(rounds):
        hard = rng.beta(0.4, 0.4, 80)
        for in_steps in (True, False):
            drawn = {name: hard + rng.normal(0, 0.3, 80) for name in "abcd"}
            values = {name: (one > 0.5).astype(float) if in_steps else one for name, one in drawn.items()}
            single[in_steps] += randomisation_p((values["a"] - values["b"])[None], 999, number)[0] <= 0.05
            family[in_steps] += any(p <= 0.05 for p in pairwise_p(values, 999, number).values())
    assert 0.04 <= single[False] / rounds <= 0.06
    assert single[True] / rounds <= 0.06
    assert max(family.values()) / rounds <= 0.06
