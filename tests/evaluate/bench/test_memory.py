"""An hour of mp3; the campaign takes one of ogg, and 36 of each kind, as the bench does."""

import pytest

from evaluate.bench.embed.long_recordings import KINDS
from evaluate.bench.memory import MOST_MB, measured, rows


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["mp3", pytest.param("ogg", marks=pytest.mark.campaign)])
def test_an_hour_stays_under_the_bound_and_no_unit_reads_it_all(kind: str) -> None:
    told = rows(kind, [1])
    peak, *reads = told
    assert peak.measure == f"peak of 1 h of {kind}"
    assert 100 < peak.ours < MOST_MB
    assert [row.measure.split(" by the ")[1].split(" of ")[0] for row in reads] == [
        "probe",
        "first unit",
        "middle unit",
        "last unit",
    ]
    for row in reads:
        assert row.theirs is not None
        whole = row.theirs if "first unit" in row.measure else 0  # once, for the digest of a local file
        assert row.ours < whole + row.theirs / 3, row


@pytest.mark.campaign
def test_thirty_six_hours_take_no_more_than_one() -> None:
    for kind in KINDS:
        short, long = measured(kind, 1), measured(kind, 36)
        assert long["peak_mb"] < min(1.1 * short["peak_mb"], MOST_MB)
        assert long["units"] in (216, 217)  # an encoder may add some frames to each minute: three minutes in all
        assert long["read_mb"]["last unit"] < 12
