"""The bench of a card: what it says where there is none, and its rows where there is one."""

import numpy as np
import pytest
import torch

from evaluate.bench.index.gpu import bench, torch_way
from index.faiss_library import gpu_available

GPU = torch.cuda.is_available() and gpu_available()


@pytest.mark.slow
@pytest.mark.skipif(GPU, reason="there is a GPU")
def test_without_a_gpu_the_ladder_is_measured_alone() -> None:
    found = bench(500)
    assert [row["measure"].split(":")[0] for row in found["rows"]] == [
        "qps batch of 500, 500 rows",
        "qps one at a time, 500 rows",
    ]
    for row in found["rows"]:
        assert row["ours"] > 0
        assert (row["theirs"], row["ratio"], row["against"]) == (None, None, "the rows on the GPU")
        assert row["reason"].startswith("no GPU here that faiss and torch can use")
        assert float(row["measure"].rpartition("recall@10 ")[2]) > 0.99


@pytest.mark.gpu
@pytest.mark.skipif(not GPU, reason="no GPU")
def test_rows_on_a_gpu() -> None:
    found = bench(20_000)
    assert len(found["rows"]) == 4
    assert all(row["ours"] > 0 and row["theirs"] > 0 for row in found["rows"])


def test_the_product_by_hand_finds_the_nearest() -> None:
    rows = np.eye(64, dtype=np.float32)
    assert torch_way(rows, "cpu", torch.float32)(rows)[:, 0].tolist() == list(range(64))
