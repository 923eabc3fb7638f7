"""What a batch of speech is drawn to, and that its draws know neither batch mates nor workers."""

import pytest
import torch

from embed.errors import SpecError
from tests.train.memory_lesson import MemoryLesson
from train.losses import ALONE, against_tables, distillation, regression, reverse_infonce
from train.strategy import At

QUERY, DOCUMENT = At(0, 0, 0), At(1, 0, 1)
MEMBERS = [0, 9, 8, 3]  # clips 0 and 8 are of one pitch, and say the same


def unit(rows: int, seed: int = 0) -> torch.Tensor:
    torch.manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(rows, 32), dim=-1)


def test_a_batch_is_padded_frames_lengths_and_role(lesson: MemoryLesson) -> None:
    frames, lengths, role = lesson.strategy().inputs(MEMBERS, DOCUMENT)
    assert role == "document"
    assert lengths.tolist() == [len(lesson.features.rows[clip]) for clip in MEMBERS]
    assert frames.shape[:2] == (4, max(lengths))
    assert (frames[3, int(lengths[3]) :] == 0).all()


def test_draws_do_not_know_batch_mates(lesson: MemoryLesson) -> None:
    strategy = lesson.strategy(lesson.with_(masks={"time": 0.4, "channels": 0.3, "dropout": 0.3}))
    together, lengths, _ = strategy.inputs(MEMBERS, QUERY)
    for row, clip in enumerate(MEMBERS):
        alone, _, _ = strategy.inputs([clip], QUERY)
        assert torch.equal(together[row, : int(lengths[row])], alone[0])
    assert not torch.equal(strategy.inputs([3], QUERY)[0], strategy.inputs([3], At(8, 1, 0))[0])


def test_a_spoken_question_is_drawn_to_its_text_among_its_language(lesson: MemoryLesson) -> None:
    strategy, vectors = lesson.strategy(), unit(4)
    told = strategy.loss(vectors, MEMBERS, QUERY, ALONE)
    langs = [strategy._drawn_lang(clip, 0) for clip in MEMBERS]
    prefixes = lesson.targets.prefixes("document", (32, 16, 8))
    tables = [{dim: rows[first : first + 8] for dim, rows in prefixes.items()} for first in (0, 8)]
    places = torch.tensor([clip % 8 for clip in MEMBERS])
    contrast = against_tables(vectors, tables, torch.tensor(langs), places, temperature=0.05)
    teachers = lesson.targets.vectors["query"][[lesson.targets.spoken[clip] for clip in MEMBERS]]
    torch.testing.assert_close(told["contrast"], contrast)
    torch.testing.assert_close(told["loss"], contrast + 5 * distillation(vectors, teachers))
    assert set(told) == {"loss", "contrast", "distillation", "temperature"}


def test_as_a_document_each_text_also_finds_its_own_speech(lesson: MemoryLesson) -> None:
    strategy, vectors = lesson.strategy(lesson.with_(loss={"reverse": 2.0, "distillation": 0.0})), unit(4)
    told = strategy.loss(vectors, MEMBERS, DOCUMENT, ALONE)
    texts = [clip % 8 + 8 * strategy._drawn_lang(clip, 0) for clip in MEMBERS]
    same = torch.eye(4, dtype=torch.bool)
    same[0, 2] = same[2, 0] = True
    asked = lesson.targets.vectors["query"][texts]
    back = reverse_infonce(vectors, asked, dims=(32, 16, 8), temperature=0.05, same_BW=same)
    torch.testing.assert_close(told["reverse"], back)
    torch.testing.assert_close(told["loss"], told["contrast"] + 2 * back)


@pytest.mark.slow
def test_candidates_may_be_the_batchs_and_the_loss_a_regression(lesson: MemoryLesson) -> None:
    vectors = unit(4)
    batch = lesson.strategy(lesson.with_(loss={"candidates": "batch", "distillation": 0.0}))
    told = batch.loss(vectors, [0, 1, 2, 3], QUERY, ALONE)
    texts = [clip + 8 * batch._drawn_lang(clip, 0) for clip in range(4)]
    wanted = lesson.targets.vectors["document"][texts]
    torch.testing.assert_close(told["loss"], reverse_infonce(wanted, vectors, dims=(32, 16, 8)))
    near = lesson.strategy(lesson.with_(loss={"kind": "regression", "distillation": 0.0}))
    told = near.loss(vectors, [0, 1, 2, 3], QUERY, ALONE)
    torch.testing.assert_close(told["loss"], regression(vectors, wanted, dims=(32, 16, 8)))


@pytest.mark.slow
def test_weights_of_dims_and_temperature_are_the_specs(lesson: MemoryLesson) -> None:
    spec = lesson.with_(loss={"dim_weights": (0.0, 0.0, 1.0), "learn_temperature": True, "temperature": 0.1})
    strategy, vectors = lesson.strategy(spec), unit(4).requires_grad_()
    strategy.loss(vectors, MEMBERS, QUERY, ALONE)["contrast"].backward()  # type: ignore[no-untyped-call]
    assert vectors.grad is not None
    assert (vectors.grad[:, 8:] == 0).all()
    assert strategy.parameters()["log_temperature"].grad is not None
    assert "log_temperature" not in lesson.strategy().parameters()


@pytest.mark.slow
def test_what_is_kept_is_taken_back(lesson: MemoryLesson) -> None:
    spec = lesson.with_(loss={"learn_temperature": True, "temperature": 0.1})
    one, other = lesson.strategy(spec), lesson.strategy(spec.model_copy(update={"seed": 3}))
    with torch.no_grad():
        one.log_temperature.fill_(-1.0)
    other.load(one.state())
    assert all(torch.equal(value, other.state()[name]) for name, value in one.state().items())
    assert {"fusion.centre", "fusion.linear.weight", "log_temperature"} <= set(one.state())
    assert not any(name.startswith(("text.", "speech.")) for name in one.state())
    with pytest.raises(SpecError, match="only one of the two has log_temperature"):
        one.load(lesson.strategy().state())


def test_dev_is_scored_clip_by_clip_as_in_batches(lesson: MemoryLesson) -> None:
    strategy = lesson.strategy()
    vectors = strategy.vectors([70, 64, 79], "query")
    for row, clip in enumerate([70, 64, 79]):
        torch.testing.assert_close(vectors[row : row + 1], strategy.vectors([clip], "query"), atol=1e-5, rtol=0)
    assert strategy.names([64]) == ["clip 64"]
