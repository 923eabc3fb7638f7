"""The text stage beside the library's own trainer, which may be missing."""

from importlib.util import find_spec

import pytest

from evaluate.bench.train.text import NEEDED, pairs, text_rows, text_spec


@pytest.mark.slow
def test_pairs_are_texts_in_the_order_of_the_samples() -> None:
    few, more = pairs(2), pairs(3)
    assert [pair.key for pair in more] == ["0", "1", "2"]
    assert all(pair.query and pair.document for pair in few)


def test_the_whole_tower_is_taught() -> None:
    assert text_spec(4).train_layers is None
    assert text_spec(4).encoder.speech is None


@pytest.mark.data
@pytest.mark.campaign
def test_rows_of_the_peer_or_the_reason_why_not() -> None:
    rows = text_rows(1, 1, 2)
    assert all(row.ours > 0 for row in rows)
    if all(find_spec(name) for name in NEEDED):
        assert {row.unit for row in rows} == {"pairs/cpu-s", "MB"}
    else:
        assert [row.theirs for row in rows] == [None]
        assert rows[0].reason is not None
        assert "not installed" in rows[0].reason
