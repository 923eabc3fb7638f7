from typing import Any

import pytest

from embed.errors import SpecError
from evaluate.robustness.levels import LEVELS
from evaluate.robustness.spec import RobustnessSpec


def test_every_change_has_levels_that_it_allows() -> None:
    spec = RobustnessSpec()
    assert spec.changes == tuple(LEVELS)
    assert all(LEVELS[one].allows(level) for one in spec.changes for level in spec.levels_of(one))
    assert RobustnessSpec.parse({"levels": {"speed": [2]}}).levels_of("speed") == (2.0,)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"changes": ["rain"]}, "no change has this name; give one of background-speech"),
        ({"changes": ["gsm"], "levels": {"speed": [2]}}, "levels of 'speed', which is not among the changes"),
        ({"levels": {"speed": [0]}}, r"levels of 'speed' are \[0\.0\]; give factors from 0\.5 to 2"),
        ({"levels": {"traffic": []}}, r"levels of 'traffic' are \[\]; give decibels"),
        ({"unseen": ["wo"]}, "unseen"),
    ],
)
def test_what_cannot_be_made_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        RobustnessSpec.parse(values)
