"""The search bench on few rows, with the same parts as on many."""

from pathlib import Path

import numpy as np
import pytest

from evaluate.bench.search import WIDTH, bench, exact, index_of, made_up, nearest, numbers_of, shared


def test_rows_for_batch_single_and_memory() -> None:
    found = bench(500)
    batch, single, memory = found["rows"]
    # Every row is read, as float16: rows that are equally near may change places.
    assert batch["measure"].startswith(("qps batch of 500, recall@10 0.99", "qps batch of 500, recall@10 1.00"))
    assert batch["measure"].endswith("made-up vectors 500 x 384")
    assert single["measure"].startswith("qps one at a time, recall@10")
    assert batch["unit"] == single["unit"] == "queries/cpu-s"
    assert min(row[side] for row in (batch, single) for side in ("ours", "theirs")) > 0
    assert (memory["ours"], memory["theirs"]) == (pytest.approx(768, abs=1), 1536)  # so few rows are float16 alone


def test_fewer_rows_than_answers() -> None:
    assert "recall@3 1.000" in bench(3)["rows"][0]["measure"]


def test_with_every_row_read_both_find_the_same(tmp_path: Path) -> None:
    rows = made_up(150, np.random.default_rng(0))
    index = index_of(rows, str(tmp_path))
    ours, theirs = numbers_of(index)[nearest(index, rows[:20], 1)], exact(rows).search(rows[:20], 1)[1]
    assert ours.tolist() == theirs.tolist() == [[i] for i in range(20)]


def test_made_up_energy_falls_along_the_dimensions() -> None:
    rows = made_up(200, np.random.default_rng(0))
    energy = (rows**2).mean(0)
    assert rows.shape == (200, WIDTH)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert energy[0] > 10 * energy[50] > 20 * energy[-50:].mean()


def test_shared_counts_what_was_found() -> None:
    assert shared(np.array([[1, 2], [3, 4]]), np.array([[2, 1], [4, 9]])) == 0.75
