"""Our loop beside plain DDP: the same lesson, or no comparison."""

import pytest

from embed.errors import DegluError
from evaluate.bench.train.parallel import check_losses, parallel_rows
from evaluate.bench.turns import Spent


def test_other_losses_are_no_comparison() -> None:
    first, near, far = (Spent(1.0, 1.0, (2.0, last), 1.0) for last in (1.00, 1.04, 1.20))
    check_losses({"ours": first, "theirs": near})
    with pytest.raises(DegluError, match=r"'ours' and 'theirs' differ at step 1: losses 1\.0000 and 1\.2000"):
        check_losses({"ours": first, "theirs": far})


@pytest.mark.data
@pytest.mark.ray
@pytest.mark.campaign
def test_both_ways_learn_the_same() -> None:
    rows = parallel_rows(1, 2, 4)
    for speed, cpu, memory in (rows[:3], rows[3:]):
        assert speed.unit == "steps/s"
        assert min(speed.ours, cpu.ours) > 0
        assert memory.theirs is not None
        assert memory.ratio is not None
        assert 0.5 < memory.ratio < 2
