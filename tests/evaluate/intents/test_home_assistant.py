"""A package of the same shape as Home Assistant's, with two intents."""

import pytest

from embed.errors import InputError
from evaluate.intents.home_assistant import home_assistant, requests_of

PACKAGE = {
    "intents": {
        "HassTurnOn": {"data": [{"sentences": ["turn on <the> {name}", "light in {area}"]}, {"sentences": ["stop"]}]},
        "HassLightSet": {
            "data": [
                {
                    "sentences": ["<the> light to {brightness}", "stop"],
                    "lists": {"brightness": {"values": [{"in": "max"}]}},
                },
                {"sentences": ["fan {speed}"], "expansion_rules": {"the": "our"}},
            ]
        },
    },
    "lists": {
        "brightness": {"range": {"from": 0, "to": 100}},
        "speed": {"range": {"from": 0, "to": 100, "step": 5}},
        "message": {"wildcard": True},
    },
    "expansion_rules": {"the": "[the]"},
}


def test_templates_become_requests_and_shared_wordings_are_left_out() -> None:
    found = requests_of(PACKAGE, "en", 0)
    assert found == requests_of(PACKAGE, "en", 0)
    by_template: dict[str, list[str]] = {}
    for one in found:
        by_template.setdefault(one.template, []).append(one.text)
    assert set(by_template) == {"HassTurnOn/0/0", "HassTurnOn/0/1", "HassLightSet/0/0", "HassLightSet/1/0"}
    assert set(by_template["HassLightSet/0/0"]) == {"light to max", "the light to max"}
    assert "turn on desk lamp" in by_template["HassTurnOn/0/0"]
    assert set(by_template["HassLightSet/1/0"]) <= {f"fan {number}" for number in range(12, 101, 12)}
    assert found[0].place.endswith("en, HassTurnOn/0/0")


def test_another_language_is_refused_before_anything_is_fetched() -> None:
    with pytest.raises(InputError, match="no wo here; give en or fr, or a manifest of requests"):
        home_assistant(["en", "wo"], 0)
