"""Templates with few sentences: all of them are found."""

import pytest

from embed.errors import InputError
from evaluate.intents.templates import Templates

KNOWN = Templates({"the": "(the|my)", "loop": "a <loop>"}, {"area": ["kitchen", "garage[s]"], "area only": ["x"]})


@pytest.mark.parametrize(
    ("template", "sentences"),
    [
        ("turn on", {"turn on"}),
        ("[please] stop", {"stop", "please stop"}),
        ("(stop|end) it", {"stop it", "end it"}),
        ("<the> light[s]", {"the light", "the lights", "my light", "my lights"}),
        ("in {area}", {"in kitchen", "in garage", "in garages"}),
        ("in {area:slot}", {"in kitchen", "in garage", "in garages"}),
        ("(now;[go] home)", {"now home", "home now", "now go home", "go home now"}),
        ("[[in] a|b]c", {"c", "in ac", "ac", "bc"}),
        ("[in]", {"in"}),  # no empty sentence
    ],
)
def test_all_sentences_of_a_template_are_found(template: str, sentences: set[str]) -> None:
    found = KNOWN.sentences(template, 40, "seed")
    assert (set(found), len(found)) == (sentences, len(sentences))
    assert KNOWN.sentences(template, 40, "seed") == found


def test_at_most_so_many_are_made() -> None:
    assert len(KNOWN.sentences("(a|b|c) (a|b|c)", 4, "")) == 4


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("(a|b", r"a bracket is not closed by '\)'"),
        ("[a)", r"a bracket is not closed by '\]'"),
        ("a)", r"'\)' closes nothing"),
        ("<gone>", "'gone' is not defined; known are loop, the"),
        ("{gone}", "'gone' is not defined; known are area, area only"),
        ("<loop>", "its rules refer to themselves"),
    ],
)
def test_a_broken_template_is_refused(template: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        KNOWN.sentences(template, 3, "")
