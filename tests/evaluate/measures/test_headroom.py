"""Headroom of systems whose order is known."""

import numpy as np
import pytest

from evaluate.measures.headroom import headroom, table_order
from evaluate.measures.metrics import Judged
from evaluate.measures.names import NDCG
from evaluate.measures.quality import evaluate_task
from evaluate.report.headroom import headroom_table


def judged(values: list[float]) -> dict[int, Judged]:
    """The same values at two widths."""
    nothing = np.zeros(len(values), np.int64)
    one = Judged(tuple(map(str, nothing)), nothing, {NDCG: np.asarray(values)}, (), ())
    return {64: one, 16: one}


def test_shares_and_letters() -> None:
    rng = np.random.default_rng(0)
    ceiling = rng.uniform(0.6, 1.0, 200)
    systems = {
        "late-fusion": judged((ceiling / 2).tolist()),
        "ceiling": judged(ceiling.tolist()),
        "cascade": judged((ceiling / 2 + rng.normal(0, 0.01, 200)).tolist()),
    }
    found = headroom(systems, [64, 16], draws=200)
    assert list(found) == ["ceiling", "cascade", "late-fusion"]
    half = found["late-fusion"][16]
    assert half.share is not None
    assert (half.share.mean, half.share.low, half.share.high) == pytest.approx((0.5, 0.5, 0.5))
    assert [found[one][64].exceeds for one in found] == ["bc", "", ""]  # noise of 0.01 is not significant


def test_holm_counts_all_widths() -> None:
    """Six queries that are all better: p is 1/32 for one comparison, and not significant among two."""
    alone = {"ceiling": judged([1.0] * 6), "ridge": judged([0.5, 0.4, 0.3, 0.2, 0.1, 0.0])}
    assert headroom(alone, [64])["ceiling"][64].exceeds == "b"
    assert headroom(alone, [64, 16])["ceiling"][64].exceeds == ""


def test_without_a_ceiling_there_is_no_share_and_others_come_last() -> None:
    found = headroom({"mine": judged([1, 0]), "ridge": judged([0, 1])}, [64])
    assert list(found) == ["ridge", "mine"]
    assert found["mine"][64].share is None
    assert headroom({"mine": judged([1, 0])}, [64])["mine"][64].exceeds == ""
    assert table_order(["other", "dual", "ceiling"]) == ["ceiling", "dual", "other"]


def test_the_first_table_has_a_row_for_each_width_and_system() -> None:
    axes = np.eye(40, dtype=np.float32)
    spoken = {"late-fusion": axes, "ridge": np.roll(axes, 1, axis=0), "ceiling": axes}
    task = evaluate_task("axes", spoken, axes, np.arange(40), [40, 20], baseline="ceiling", draws=100)
    header, rows = headroom_table(task)
    assert header == ["system", "width", "nDCG@10", "share of the ceiling", "minus ceiling", "exceeds"]
    assert [row[:2] for row in rows[:3]] == [["a ceiling", "40"], ["b late-fusion", "40"], ["c ridge", "40"]]
    assert rows[1][2:] == ["1.000 [1.00, 1.00]", "100% [100%, 100%]", "+0.000 [+0.00, +0.00]", "c"]
    assert rows[2][2:] == ["0.000 [0.00, 0.00]", "0% [0%, 0%]", "-1.000 [-1.00, -1.00]", "-"]
    assert len(rows) == 6
