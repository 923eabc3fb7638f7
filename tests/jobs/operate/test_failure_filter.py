"""Failures are chosen by what they say, with nothing special but the star."""

import pytest

from embed.errors import SpecError
from jobs.operate.failure_filter import parse

ROW = {
    "error_class": "InputError",
    "stage": "decode",
    "uri": "radio/monday [1].mp3",
    "message": "no sound in it\nat all",
}


@pytest.mark.parametrize(
    ("where", "meant"),
    [
        ([], True),
        (["stage=decode"], True),
        (["stage=probe"], False),
        (["stage=probe", "stage=decode"], True),  # one value of a field is enough
        (["stage=decode", "error_class=OSError"], False),  # every field must fit
        (["stage=decode", "error_class=Input*"], True),
        (["uri=radio/*.mp3"], True),
        (["uri=radio/monday [1].mp3"], True),  # brackets and points stand for themselves
        (["uri=radio/monday .1..mp3"], False),
        (["uri=radio"], False),  # the whole value, not a part of it
        (["uri=*"], True),
        (["message=*sound*all"], True),
        (["message=*="], False),
        (["stage="], False),
    ],
)
def test_which_rows_are_meant(where: list[str], meant: bool) -> None:
    assert parse(where)(ROW) is meant


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("decode", "--where decode: write it as field=value; the fields are error_class, stage, uri, message"),
        ("file=x", "--where file=x: unknown field 'file'; the fields are error_class, stage, uri, message"),
    ],
)
def test_what_cannot_be_meant_is_said(condition: str, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse([condition])
    assert str(caught.value) == said
