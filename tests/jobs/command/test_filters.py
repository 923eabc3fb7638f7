"""Filters of the command line: the columns of each table, and the cure for what is no filter."""

import subprocess
import sys

import pyarrow as pa
import pytest

from embed.errors import SpecError
from embed.tables import FAILURES
from jobs.command.filters import failure_filter, row_filter

ROW = {
    "unit_id": bytes(16),
    "asset_id": bytes(15) + b"\x0b",
    "uri": "radio/monday [1].mp3",
    "stage": "decode",
    "error_class": "InputError",
    "message": "no sound in it\nat all",
    "start": 0,
    "end": None,
    "lost_s": 12.5,
    "attempts": 2,
}
TABLE = pa.Table.from_pylist([ROW], FAILURES)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("stage = 'decode'", True),
        ("stage = 'probe'", False),
        ("stage in ('probe', 'decode')", True),
        ("stage = 'decode' and error_class = 'OSError'", False),
        ("error_class like 'Input%'", True),
        ("uri like 'radio/%.mp3'", True),
        ("uri = 'radio/monday [1].mp3'", True),
        ("uri = 'radio'", False),
        ("message like '%sound%all'", True),
        ("lost_s > 10 and attempts >= 2", True),
        ("attempts between 0.5 and 1.5", False),
        ("attempts in (1, 2)", True),
        ('"end" is null and start = 0', True),
        ("asset_id = '0000000000000000000000000000000b'", True),
        ("true", True),
    ],
)
def test_failures_are_filtered_by_their_columns(text: str, kept: bool) -> None:
    where = failure_filter(text)
    assert where is not None
    assert where.mask(TABLE).tolist() == [kept]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "error_class=UnsupportedFormat",
            "unknown column UnsupportedFormat: did you mean error_class = 'UnsupportedFormat'?",
        ),
        ("uri=radio/0*", ": did you mean uri like 'radio/0%'?"),
        ("uri=radio/monday [1].mp3", ": did you mean uri = 'radio/monday [1].mp3'?"),
        ("uri=l'heure.mp3", "--where: a quote, or a comment, is not closed"),
        ("stage = decode and uri = 'x'", "unknown column decode"),
        ("stage=", "not one complete condition"),
        ("stage='decode' or", "not one complete condition"),
        ("decode", "decode is not a condition"),
        (
            "file = 'x'",
            "--where: unknown column file; columns are unit_id, asset_id, uri, stage, error_class, message, ",
        ),
        ("lang = 'wo'", "unknown column lang"),
        ("metadata['a'] = 'b'", "no column has keys"),
        ("lost_s = 'much'", "a number (lost_s) with text"),
    ],
)
def test_what_is_no_filter_of_failures_is_refused_with_the_cure(text: str, line: str) -> None:
    with pytest.raises(SpecError) as caught:
        failure_filter(text)
    assert line in str(caught.value)


def test_rows_are_filtered_by_their_provenance() -> None:
    where = row_filter("lang = 'wo' and metadata['programme'] = 'news'")
    assert where is not None
    assert where.columns == ("lang", "metadata")
    with pytest.raises(SpecError, match=r"--delete: unknown column fr: did you mean lang = 'fr'\?"):
        row_filter("lang = fr", "--delete")
    with pytest.raises(SpecError, match="--where: unknown column stage, did you mean start"):
        row_filter("stage = 'decode'")


@pytest.mark.slow
def test_nothing_given_is_no_filter_and_loads_no_parser() -> None:
    assert row_filter(None) is None
    assert failure_filter(None) is None
    heavy = {"index", "sqlglot", "torch", "ray", "faiss"}
    code = (
        f"import sys; from jobs.command.filters import failure_filter; failure_filter(None); "
        f"assert not {heavy} & set(sys.modules); failure_filter('true'); "
        f"assert not {heavy - {'index', 'sqlglot'}} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
