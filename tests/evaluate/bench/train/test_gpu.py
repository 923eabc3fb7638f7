"""The GPU section: its lesson and its arithmetic without one, its rows where there is one."""

from itertools import islice

import pytest
import torch

from embed.model.joint import JointEncoder
from evaluate.bench.train.gpu import QWEN3, gpu_rows, gpu_spec, lesson, operations
from train.events import StepDone
from train.fit.loop import run

TINY = {
    **QWEN3,
    "vocab_size": 16,
    "hidden_size": 1024,  # the dims are the spec's
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 4,
}


@pytest.mark.slow
def test_the_loop_takes_the_lesson() -> None:
    spec = gpu_spec(2)
    strategy, frames = lesson(spec, 4, "cpu", TINY, clip_s=0.4)
    assert frames == 10
    events = [event for event in islice(run(strategy, spec), 2) if isinstance(event, StepDone)]
    assert [event.step for event in events] == [1, 2]


@pytest.mark.slow
def test_operations_are_counted_by_weight_and_position() -> None:
    strategy, frames = lesson(gpu_spec(2), 4, "cpu", TINY, clip_s=0.4)
    model = strategy.model
    assert isinstance(model, JointEncoder)
    per_layer = 2 * 1024 * 8 + 2 * 1024 * 4 + 3 * 1024 * 16 + 2 * 1024 + 2 * 4  # q o, k v, mlp, norms
    positions = frames // 2 + len(model.text.frame("query")[0]) + 1
    frozen = 4 * (2 * per_layer + 1024) * positions
    linear = 4 * 9216 * 1024 * frames
    conv = 6 * (1024 * 1024 * 2 + 1024) * (frames // 2)
    assert operations(model, frames) == frozen + linear + conv


@pytest.mark.gpu
def test_rows_on_a_gpu() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    speed, share, memory = gpu_rows(batch=8, timed=2)
    assert speed.ours > 0
    assert 0 < share.ours < 1
    assert memory.theirs is not None
    assert memory.ours < memory.theirs
