"""What is frozen is kept in bfloat16, what is trained is not, and texts still mean the same."""

import torch

from embed.model.spec import EncoderSpec
from embed.model.weights import assemble
from tests.towers import Tiny, encoder_values
from train.fit.bfloat16 import convert_frozen


def test_frozen_weights_are_halved_and_trained_ones_are_not(tiny: Tiny) -> None:
    model = assemble(EncoderSpec.parse(encoder_values(tiny)))
    before = torch.from_numpy(model.encode(["rain"], "document"))
    convert_frozen(model)
    assert model.fusion is not None
    assert {value.dtype for value in model.fusion.parameters()} == {torch.float32}
    assert {value.dtype for value in model.text.parameters()} == {torch.bfloat16}
    assert model.text.model.config._attn_implementation == "eager"
    after = torch.from_numpy(model.encode(["rain"], "document"))
    assert torch.cosine_similarity(before, after).item() > 0.999
    assert not torch.equal(before, after)
