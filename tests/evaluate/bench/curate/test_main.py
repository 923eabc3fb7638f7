"""Bench of repeats on a few minutes of made-up sound: what it counts, and that it misses what is missed."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from embed.encoder import FloatArray
from evaluate.bench.curate import __main__ as curate
from evaluate.bench.curate.broadcasts import Tape, archive
from evaluate.bench.curate.changes import CHANGES
from tests.embed.fingerprints.sounds import talk


def talks() -> Iterator[FloatArray]:
    for seed in range(100, 1_000):
        yield 0.5 * talk(seed, 5.0)


@pytest.mark.slow
def test_a_short_archive_has_its_repeats_found_and_no_others() -> None:
    result = curate.searched(archive(Tape(talks()), hours=0.1, of_each=1, recording_s=120))
    assert len([one for one in result.airings if one.change]) == len(CHANGES)
    found = {change: result.found(change)[0] for change in CHANGES}
    assert sum(found.values()) >= len(CHANGES) - 1, found
    assert result.false_s() < 5
    shape = {row.measure.partition(":")[0]: row for row in curate.rows(result)}
    assert shape["repeats found, at 8 kHz"].met
    assert shape["time without a false label"].ours > 0.98

    wrong = replace(result, rows=[{**row, "of_start_s": row["of_start_s"] + 30} for row in result.rows])
    assert sum(wrong.found(change)[0] for change in CHANGES) == 0
    late = replace(result, rows=[{**row, "start_s": 0.0} for row in result.rows])
    assert late.false_s() > result.false_s() + 10


def test_made_up_fingerprints_repeat_nothing() -> None:
    units = [bytes([number]) * 16 for number in range(2)]
    prints = {unit: curate.made_up(number) for number, unit in enumerate(units)}
    ids = {unit: unit for unit in units}
    assert curate.in_batches(units, prints, ids, {unit: unit.hex() for unit in units}).num_rows == 0
    assert len(np.unique(prints[units[0]].peaks.frame)) > 10_000
