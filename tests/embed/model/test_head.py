"""Speech heads: pooling that sees no padding, prefixes as they are compared, ridge as a head, on visible numbers."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from embed.errors import SpecError
from embed.model.head import SpeechHead
from embed.model.spec import EncoderSpec, HeadSpec
from embed.model.weights import assemble
from tests.towers import encoder_values


def test_the_mean_head_is_a_linear_map_of_the_mean_frame() -> None:
    head = SpeechHead(HeadSpec.parse({"pooling": "mean"}), 2, [2, 1])
    # Mean (2, 4), standardised ((2 - 1) / 1, (4 - 0) / 2) = (1, 2), mapped to itself plus (2, 2) = (3, 4).
    head.take_ridge(torch.tensor([1.0, 0.0]), torch.tensor([1.0, 2.0]), torch.eye(2), torch.tensor([2.0, 2.0]))
    frames = torch.tensor([[[1.0, 3.0], [3.0, 5.0], [99.0, 99.0]]])
    assert head(frames, torch.tensor([2])).tolist()[0] == pytest.approx([0.6, 0.8])


def test_attention_looks_where_its_query_points() -> None:
    head = SpeechHead(HeadSpec.parse({"queries": 2}), 2, [4])
    assert head.queries is not None
    with torch.no_grad():
        head.queries.copy_(torch.tensor([[100.0, 0.0], [0.0, 100.0]]))
        head.output.weight.copy_(torch.eye(4))
        head.output.bias.zero_()
    # The first query finds the first frame, the second the second; the third frame is behind the clip's end.
    frames = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [9.0, 9.0]]])
    expected = np.array([1, 0, 0, 1]) / np.sqrt(2)
    assert head(frames, torch.tensor([2]))[0].tolist() == pytest.approx(expected.tolist(), abs=1e-5)


@pytest.mark.parametrize("pooling", ["attention", "mean"])
@pytest.mark.parametrize("hidden", [0, 5])
def test_a_row_does_not_see_what_is_behind_its_end(pooling: str, hidden: int) -> None:
    torch.manual_seed(0)
    head = SpeechHead(HeadSpec.parse({"pooling": pooling, "hidden": hidden}), 6, [4, 2])
    frames = torch.randn(2, 7, 6)
    both = head(frames, torch.tensor([7, 3]))
    alone = head(frames[1:, :3], torch.tensor([3]))
    assert torch.allclose(both[1], alone[0], atol=1e-6)
    assert torch.allclose(both.norm(dim=-1), torch.ones(2))


def test_prefixes_are_nested_or_each_a_vector_of_its_own() -> None:
    frames, lengths = torch.randn(3, 5, 6), torch.tensor([5, 4, 2])
    nested = SpeechHead(HeadSpec.parse({}), 6, [4, 2])
    apart = SpeechHead(HeadSpec.parse({"independent": True}), 6, [4, 2])
    whole, parts = nested(frames, lengths), apart(frames, lengths)
    assert (whole.shape, parts.shape) == ((3, 4), (3, 6))
    for head, vectors in ((nested, whole), (apart, parts)):
        found = head.prefixes(vectors)
        assert {dim: one.shape for dim, one in found.items()} == {4: (3, 4), 2: (3, 2)}
        assert all(torch.allclose(one.norm(dim=-1), torch.ones(3)) for one in found.values())
    assert torch.equal(apart.prefixes(parts)[2], parts[:, 4:])
    assert torch.allclose(nested.prefixes(whole)[2][0], whole[0, :2] / whole[0, :2].norm())


def test_only_a_plain_mean_head_becomes_a_ridge() -> None:
    with pytest.raises(ValueError, match="pooling mean"):
        SpeechHead(HeadSpec.parse({}), 2, [2]).take_ridge(torch.ones(2), torch.ones(2), torch.eye(2), torch.ones(2))


def test_independent_heads_are_evaluated_and_never_used(tiny: Callable[[str], str]) -> None:
    values = encoder_values(tiny) | {"fusion": None, "head": {"independent": True}}
    model = assemble(EncoderSpec.parse(values)).eval()
    wave = np.sin(np.arange(8000, dtype=np.float32))
    with pytest.raises(SpecError, match="can be evaluated, not used"):
        model.encode([wave], "query")
    assert model.encode(["texts are the tower's"], "query").shape == (1, 32)
    assert model(torch.from_numpy(wave)[None], torch.tensor([8000]), "query").shape == (1, 32 + 16 + 8)
