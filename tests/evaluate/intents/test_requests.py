"""Requests in parts: no template, wording or voice is on both sides, and what is missing is named with file and row."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from embed.errors import InputError
from evaluate.intents.requests import Request, choose, spread, with_parts
from evaluate.intents.spec import IntentSpec


def requests(
    labels: str = "ab", templates: int = 4, each: int = 3, lang: str = "fr", voices: str = ""
) -> list[Request]:
    """`each` requests of each template of each label, in turn of each voice."""
    found: list[Request] = []
    for label in labels:
        for number in range(templates * each):
            template, voice = f"{label}{number // each}", voices[number % len(voices)] if voices else ""
            audio = f"https://example.org/{label}{number}.wav" if voices else ""
            text = f"{label} {lang} {number}"
            place = f"r.csv, row {len(found) + 1}"
            found.append(Request(label, lang, text, audio, template, voice, place=place))
    return found


def spec(**changes: Any) -> IntentSpec:
    return IntentSpec.parse({"data": "r.csv", "train_lang": "fr", "shots": [1, 2], "most": None} | changes)


def test_no_template_and_no_wording_is_in_two_parts() -> None:
    known = requests()
    known.append(replace(known[0], template="a1"))  # templates a0 and a1 make one wording: they are one
    found = with_parts(known, 2, 0)
    parts: dict[str, set[Any]] = {}
    for one in found:
        parts.setdefault(one.template, set()).add(one.part)
    assert all(len(own) == 1 for own in parts.values())
    assert parts["a0"] == parts["a1"]
    assert {label: {one.part for one in found if one.label == label} for label in "ab"} == {
        label: {"train", "test"} for label in "ab"
    }
    assert with_parts(known, 2, 0) == found
    assert any(with_parts(known, 2, seed) != found for seed in range(1, 9))
    chosen = choose(known, spec(), "r.csv", 0)
    assert not {one.group for one in chosen.pool} & {one.group for one in chosen.test}


def test_examples_take_each_template_before_a_second_of_one() -> None:
    known = requests("a", templates=3, each=5)
    assert Counter(one.template for one in spread(known, 4, "s")).most_common()[0][1] == 2
    assert {one.template for one in spread(known, 3, "s")} == {"a0", "a1", "a2"}
    assert len(spread(known, None, "s")) == 15


def test_rows_keep_the_parts_that_they_name() -> None:
    known = [replace(one, part="test" if one.template.endswith("0") else "train") for one in requests()]
    chosen = choose(known, spec(), "r.csv", 0)
    assert {one.template for one in chosen.test} == {"a0", "b0"}
    assert (len(chosen.pool), len(chosen.test), chosen.labels) == (18, 6, ("a", "b"))
    few = choose(known, spec(most=2, most_test=1), "r.csv", 0)
    assert (len(few.pool), len(few.test)) == (4, 2)


def test_a_voice_is_on_one_side_only() -> None:
    known = requests(voices="xyz")
    chosen = choose(known, spec(modality="speech"), "r.csv", 0)
    assert chosen.pool
    assert chosen.test
    assert not {one.voice for one in chosen.pool} & {one.voice for one in chosen.test}
    assert "voices held out" in chosen.notes[0]
    both = choose(known, spec(modality="speech", voices="any"), "r.csv", 0)
    assert {one.voice for one in both.pool} & {one.voice for one in both.test}


def test_examples_of_one_language_serve_another() -> None:
    known = [*requests(), *requests(lang="wo")]
    known = [replace(one, template=f"{one.lang}{one.template}") for one in known]
    chosen = choose(known, spec(test_lang="wo"), "r.csv", 0)
    assert ({one.lang for one in chosen.pool}, {one.lang for one in chosen.test}) == ({"fr"}, {"wo"})


def split_rows() -> list[Request]:
    return [replace(one, part="test" if one.template.endswith("0") else "train") for one in requests()]


@pytest.mark.parametrize(
    ("known", "changes", "message"),
    [
        (requests(), {"train_lang": "de"}, r"r.csv: no de text in part train; requests of this part: \d+ fr text"),
        (requests(), {"test_lang": "wo"}, r"r.csv: no wo text in part test; requests of this part: \d+ fr text"),
        (requests(), {"modality": "speech"}, "r.csv: no fr speech in part train"),
        (
            [*requests(), *requests("c", templates=1, each=1)],
            {},
            r"r.csv, row 1: c has 1 requests for examples and 0 of other templates for the test, 2 and 1 are required;"
            " add requests, lower `shots`, or set `few: omit`",
        ),
        (requests("a"), {}, "all requests have the label a; two labels are required"),
        (
            [*split_rows(), replace(split_rows()[0], part="train", place="r.csv, row 99", text="new")],
            {},
            "r.csv, row 1: the template 'a0' is in the test and, by r.csv, row 99, among the examples",
        ),
        (
            [*split_rows(), replace(split_rows()[0], part="train", place="r.csv, row 99", template="new")],
            {},
            "r.csv, row 1: the text 'a fr 0' is in the test and, by r.csv, row 99",
        ),
        (requests(voices="x"), {"modality": "speech"}, r"r.csv, row \d+: x is the only voice; add recordings"),
    ],
)
def test_what_is_missing_is_named(known: list[Request], changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        choose(known, spec(**changes), "r.csv", 0)


def test_a_label_with_few_requests_is_left_out_where_that_is_set() -> None:
    chosen = choose([*requests(), *requests("c", templates=1)], spec(few="omit"), "r.csv", 0)
    assert chosen.labels == ("a", "b")
    assert chosen.notes == ("labels with too few requests for 2 shots and a test: c",)


def test_a_missing_recording_is_named_by_its_row() -> None:
    known = [replace(one, audio="/nowhere/a.wav") for one in requests(voices="xy")]
    with pytest.raises(InputError, match=r"r.csv, row \d+: /nowhere/a.wav: no such recording"):
        choose(known, spec(modality="speech"), "r.csv", 0)
