"""A few rows at a time: the gradients of all at once."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor, nn

from train.fit.grad_cache import cached_backward
from train.losses import infonce


def rows(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Model(nn.Module):
    """Rows with numbers beside them, as a model that takes more than one tensor."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.map = nn.Linear(4, 6).double()
        self.dropout = nn.Dropout(dropout)
        self.seen: list[Tensor] = []

    def forward(self, rows_B4: Tensor, scale_B: Tensor, role: str) -> Tensor:
        assert role == "query"
        self.seen.append(self.dropout(torch.ones(len(rows_B4), 6)))
        found: Tensor = self.map(rows_B4) * scale_B[:, None] * self.seen[-1]
        return found


def parts_of(vectors: Tensor) -> dict[str, Tensor]:
    assert len(vectors) == 8
    contrast = infonce(vectors, rows(2, 8, 6), dims=[6, 2], temperature=0.3)
    length = vectors.norm(dim=-1).mean()
    return {"loss": contrast + length, "contrast": contrast}


def learnt(model: Model, micro: int) -> dict[str, Tensor]:
    pairs = zip(torch.split(rows(0, 8, 4), micro), torch.split(rows(1, 8), micro), strict=True)
    parts = cached_backward(model, [(*pair, "query") for pair in pairs], parts_of)
    assert model.map.weight.grad is not None
    assert model.map.bias.grad is not None
    return {**parts, "weight": model.map.weight.grad, "bias": model.map.bias.grad}


@pytest.mark.parametrize("micro", [1, 3, 4])
def test_any_micro_batch_gives_the_gradients_of_all_at_once(micro: int) -> None:
    plain, cached = learnt(Model(), 8), learnt(Model(), micro)
    assert set(plain) == {"loss", "contrast", "weight", "bias"}
    for name, value in plain.items():
        torch.testing.assert_close(cached[name], value, rtol=1e-12, atol=1e-14)
        assert not cached[name].requires_grad


def test_both_passes_drop_the_same() -> None:
    model = Model(dropout=0.5)
    learnt(model, 2)
    first, second = model.seen[:4], model.seen[4:]
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
    assert not torch.equal(first[0], first[1])


def test_the_random_state_goes_on() -> None:
    """What is drawn afterwards is nothing that was drawn in the second pass."""
    model = Model(dropout=0.5)
    learnt(model, 2)
    after = torch.rand(3)
    torch.manual_seed(0)
    Model(dropout=0.5)
    for _ in range(4):
        nn.functional.dropout(torch.ones(2, 6), 0.5)
    assert torch.equal(after, torch.rand(3))


def test_gradients_are_added_to_what_is_there() -> None:
    model = Model()
    once = learnt(model, 2)["weight"].clone()
    torch.testing.assert_close(learnt(model, 8)["weight"], 2 * once)


def test_what_the_loss_alone_holds_learns_too() -> None:
    heat = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    inputs = [(part,) for part in torch.split(rows(0, 8, 6).requires_grad_(), 4)]

    def told(vectors: Tensor) -> dict[str, Tensor]:
        return {"loss": infonce(vectors, rows(2, 8, 6), dims=[6], temperature=heat)}

    cached_backward(lambda part: part * 2, inputs, told)
    assert heat.grad is not None
    assert heat.grad != 0


def test_only_the_last_backward_pass_is_for_all_workers() -> None:
    entered = []

    @contextmanager
    def no_sync() -> Iterator[None]:
        entered.append(True)
        yield

    inputs = [(part, torch.ones(len(part), dtype=torch.float64), "query") for part in torch.split(rows(0, 8, 4), 3)]
    cached_backward(Model(), inputs, parts_of, no_sync)
    assert len(entered) == 2
    entered.clear()
    cached_backward(Model(), [(rows(0, 8, 4), rows(1, 8), "query")], parts_of, no_sync)
    assert not entered


def test_a_loss_of_nothing_is_refused() -> None:
    weight = torch.ones((), requires_grad=True)
    inputs = [(part, torch.ones(4, dtype=torch.float64), "query") for part in torch.split(rows(0, 8, 4), 4)]
    with pytest.raises(ValueError, match="does not depend on the vectors"):
        cached_backward(Model(), inputs, lambda _: {"loss": weight * 2})
