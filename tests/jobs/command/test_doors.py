"""Every verb's door opens, and takes what the command hands over."""

import inspect

import pytest

from embed.base_spec import Spec
from jobs.command.doors import DOORS, named, spec_class


@pytest.mark.parametrize("verb", DOORS)
def test_a_door_opens_on_a_spec_and_a_function_that_takes_it(verb: str) -> None:
    assert issubclass(spec_class(verb), Spec)
    parameters = list(inspect.signature(named(DOORS[verb].run)).parameters)
    assert parameters[0] == "spec"
    assert ("progress" in parameters[:2]) is DOORS[verb].reports


def test_options_of_a_run_reach_their_functions() -> None:
    assert "new_version" in inspect.signature(named(DOORS["index"].run)).parameters
    assert list(inspect.signature(named("jobs.demo.demo_walk:demo_walk")).parameters) == ["folder", "progress"]
