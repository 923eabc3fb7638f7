"""Training specs that do not fit their towers, or make no sense, are refused before weights are loaded."""

from typing import Any

import pytest

from embed.errors import SpecError
from jobs.training.check_towers import check_towers
from tests.towers import Tiny, encoder_values
from train.spec import TrainSpec


def spec_of(encoder: dict[str, Any], **changed: Any) -> TrainSpec:
    texts = [{"name": "asterisk", "langs": ["fr", "en"]}]
    sources = [{"name": "asterisk", "langs": ["fr"]}]
    values = {"encoder": encoder, "sources": sources, "texts": texts, "optimiser": {"batch": 8}, "output": "nowhere"}
    return TrainSpec.parse(values | changed)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"strategy": "ridge", "encoder": {"head": {"hidden": 8}}}, "strategy ridge is linear on mean frames"),
        ({"strategy": "text", "encoder": {"speech": None}}, "a trained one learns its own"),
    ],
    ids=["ridge with a hidden layer", "text with a transform"],
)
def test_what_makes_no_sense_is_refused(tiny: Tiny, changed: dict[str, Any], message: str) -> None:
    encoder = {**encoder_values(tiny), "transform": True, **changed["encoder"]}
    del encoder["fusion"]
    with pytest.raises(SpecError, match=message):
        check_towers(spec_of(encoder, strategy=changed["strategy"]))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"fewest_workers": 3}, "fewest_workers = 3 is more than workers = 2"),
        ({"workers": 9}, "batch = 8 is less than a row for each of 9 workers"),
    ],
    ids=["fewest workers", "small batch"],
)
def test_workers_must_have_rows(tiny: Tiny, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        check_towers(spec_of(encoder_values(tiny), **changed))


def test_dims_begin_with_the_towers_width(tiny: Tiny) -> None:
    check_towers(spec_of(encoder_values(tiny)))
    with pytest.raises(SpecError, match=r"begins with 16, but vectors of .* have 32 dims; begin with 32"):
        check_towers(spec_of({**encoder_values(tiny), "dims": [16, 8]}))


def test_a_tower_that_is_not_there_is_named(tiny: Tiny) -> None:
    encoder = encoder_values(tiny)
    encoder["text"]["name"] = "/nowhere/at/all"
    with pytest.raises(SpecError, match="/nowhere/at/all"):
        check_towers(spec_of(encoder))
