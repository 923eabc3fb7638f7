"""Two workers and one: the same rows, the same loss, the same gradients."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

from tests.train.workers import run_workers
from train.fit.gather import with_gradient
from train.fit.grad_cache import cached_backward
from train.losses import ALONE, Gather, against_tables, distillation, infonce, regression, reverse_infonce

DIMS = (6, 3)
KINDS = ("infonce", "reverse", "table", "distillation", "regression")
BATCH = 5


def rows(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def loss_of(kind: str, vectors: Tensor, members: list[int], gather: Gather, heat: Tensor) -> Tensor:
    """One of the losses of some of five made-up pairs; pairs 1 and 4 say the same."""
    targets, whose = rows(1, BATCH, 6)[members], gather(torch.tensor(members))
    says = torch.tensor([0, 1, 2, 3, 1])
    same = says[members][:, None] == says[whose][None]
    if kind == "infonce":
        negatives = rows(2, BATCH, 2, 6)[members]
        settings: dict[str, Any] = {"same_BC": same, "negatives_BKD": negatives, "margin": 0.4, "weights": (1, 2)}
        return infonce(vectors, targets, dims=DIMS, temperature=heat, gather=gather, **settings)
    if kind == "reverse":
        return reverse_infonce(vectors, targets, dims=DIMS, temperature=heat, same_BW=same, gather=gather)
    if kind == "table":
        tables = [{dim: nn.functional.normalize(rows(seed, 7, 6)[:, :dim], dim=-1) for dim in DIMS} for seed in (3, 4)]
        own = torch.tensor(members)
        return against_tables(vectors, tables, own % 2, own, temperature=heat, gather=gather)
    if kind == "distillation":
        return distillation(vectors, targets, gather=gather)
    return regression(vectors, targets, dims=DIMS, gather=gather)


def learnt(kind: str, shares: list[list[int]], micro: int) -> dict[str, Tensor]:
    """This worker's share of the loss, and the gradients that all of them get."""
    torch.manual_seed(0)
    model: nn.Module = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 6)).double()
    heat = nn.Parameter(torch.tensor(0.3, dtype=torch.float64))
    rank = dist.get_rank() if len(shares) > 1 else 0
    gather = with_gradient(None, [len(members) for members in shares])
    members = shares[rank]
    parallel = DistributedDataParallel(model) if len(shares) > 1 else model
    inputs = [(part,) for part in torch.split(rows(0, BATCH, 4)[members], micro or BATCH)]

    def told(vectors: Tensor) -> dict[str, Tensor]:
        return {"loss": loss_of(kind, vectors, members, gather, gather.shared(heat))}

    if isinstance(parallel, DistributedDataParallel):
        parts = cached_backward(parallel, inputs, told, parallel.no_sync)
    else:
        parts = cached_backward(parallel, inputs, told)
    found = {name: value.grad for name, value in model.named_parameters() if value.grad is not None}
    return {**parts, **found, **({} if heat.grad is None else {"temperature": heat.grad})}


def gathered(shares: list[list[int]]) -> dict[str, Any]:
    gather = with_gradient(None, [len(members) for members in shares])
    own = torch.tensor(shares[dist.get_rank()])
    wrong = ""
    try:
        gather(torch.zeros(7, 2))
    except ValueError as error:
        wrong = str(error)
    return {"first": gather.first, "all": gather(own), "wrong": wrong}


DEALT = {"even": [[0, 2], [1, 3]], "uneven": [[0, 2, 4], [1, 3]]}
WAYS = [(kind, dealt, micro) for kind in KINDS for dealt in DEALT for micro in (0, 1)]


def all_found() -> list[dict[str, Any]]:
    return [*(learnt(kind, DEALT[dealt], micro) for kind, dealt, micro in WAYS), gathered([[10, 11, 12], [20]])]


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> list[list[dict[str, Any]]]:
    """By worker, by way; last what was gathered."""
    return run_workers(all_found, 2, Path(tmp_path_factory.mktemp("two")))


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "dealt", "micro"), WAYS)
def test_two_workers_learn_what_one_learns(
    two_workers: list[list[dict[str, Any]]], kind: str, dealt: str, micro: int
) -> None:
    """Whether or not rows are even, and whether a micro-batch is all or one row."""
    alone = learnt(kind, [[member for share in DEALT[dealt] for member in share]], 0)
    first, second = (found[WAYS.index((kind, dealt, micro))] for found in two_workers)
    assert ((first["loss"] + second["loss"]) / 2).item() == pytest.approx(alone["loss"].item(), rel=1e-12)
    assert set(alone) == set(first) == set(second)
    assert ("temperature" in alone) == (kind in ("infonce", "reverse", "table"))
    for name in set(alone) - {"loss"}:
        torch.testing.assert_close(first[name], alone[name], rtol=1e-9, atol=1e-14)
        assert torch.equal(first[name], second[name])


@pytest.mark.slow
def test_rows_stand_in_order_of_rank(two_workers: list[list[dict[str, Any]]]) -> None:
    first, second = (found[-1] for found in two_workers)
    assert (first["first"], second["first"]) == (0, 3)
    assert first["all"].tolist() == second["all"].tolist() == [10, 11, 12, 20]
    assert second["wrong"] == "worker 1 has 7 rows, not 1"


def test_one_worker_needs_no_group() -> None:
    assert with_gradient(None, [5]) is ALONE
