"""The loss of spelling: all alignments counted by hand, and nothing known of batch mates."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from embed.errors import SpecError
from tests.train.taught import Taught
from train.ctc import CtcHead, Transcripts
from train.late_fusion import LateFusionStrategy
from train.loop import StepDone, run
from train.losses import ALONE
from train.strategy import At

V, H, C = 6, 5, 4
MEMBERS = [0, 9, 3]


@pytest.fixture
def head() -> CtcHead:
    torch.manual_seed(0)
    made = CtcHead(torch.randn(V, H), C)
    with torch.no_grad():
        made.blank.normal_()
        made.bias.normal_()
    return made


def loss(head: CtcHead, sounds: Tensor, own: list[int], others: list[int]) -> float:
    told = head(
        sounds[None], torch.tensor([len(sounds)]), torch.tensor([own]), torch.tensor([len(own)]), torch.tensor(others)
    )
    return float(told[0].detach())


def by_hand(head: CtcHead, sounds: Tensor, own: list[int], others: list[int]) -> float:
    """-log of the summed likelihood of all alignments a token: classes are the blank, each token, all others."""
    classes = [-1, *dict.fromkeys(own)]
    asked = torch.nn.functional.normalize(head.linear(sounds), dim=-1)

    def score(position: int, token: int) -> float:
        row = head.blank[0] if token < 0 else head.tokens[token]
        return float((asked[position] @ row * head.sharpness + head.bias[1 + token]).detach())

    likely = 0.0
    for path in itertools.product(classes, repeat=len(sounds)):
        said = [token for token, _ in itertools.groupby(path) if token >= 0]
        if said != own:
            continue
        chance = 1.0
        for position, token in enumerate(path):
            rest = sum(math.exp(score(position, other)) for other in others if other not in own)
            chance *= math.exp(score(position, token)) / (sum(math.exp(score(position, one)) for one in classes) + rest)
        likely += chance
    return -math.log(likely) / len(own)


@pytest.mark.parametrize("own", [[2], [2, 4], [4, 4], [1, 3, 1]], ids=str)
def test_it_is_the_likelihood_of_all_alignments(head: CtcHead, own: list[int]) -> None:
    sounds = torch.randn(4, C)
    assert loss(head, sounds, own, [0, 2, 5]) == pytest.approx(by_hand(head, sounds, own, [0, 2, 5]), rel=1e-4)


def test_what_does_not_fit_counts_nothing(head: CtcHead) -> None:
    sounds = torch.randn(2, C)
    assert loss(head, sounds, [1, 2, 3], [0]) == 0
    assert loss(head, sounds, [1, 1], [0]) == 0  # a blank must stand between


def test_no_row_sees_another(head: CtcHead) -> None:
    sounds = torch.randn(2, 5, C)
    own, sizes, counts = torch.tensor([[1, 2, 1], [3, 0, 0]]), torch.tensor([3, 1]), torch.tensor([5, 3])
    both = head(sounds, counts, own, sizes, torch.tensor([0, 4])).tolist()
    assert both[0] == pytest.approx(loss(head, sounds[0], [1, 2, 1], [0, 4]), rel=1e-5)
    assert both[1] == pytest.approx(loss(head, sounds[1, :3], [3], [0, 4]), rel=1e-5)


def test_transcripts_are_places_among_all_that_is_said() -> None:
    transcripts = Transcripts({3: [70, 50], 7: [50], 8: [90, 90, 70]})
    assert transcripts.tokens == [50, 70, 90]
    own, sizes, others = transcripts.batch([8, 7], np.random.default_rng(0))
    assert own.tolist() == [[2, 2, 1], [0, 0, 0]]
    assert sizes.tolist() == [3, 1]
    assert others.tolist() == [0, 1, 2]


def test_all_of_a_batch_is_told_from_the_same_tokens(lesson: Taught) -> None:
    strategy = lesson.strategy(lesson.with_(loss={"ctc": 1.0}))
    whole, part = strategy.inputs(MEMBERS, At(4, 0, 4)), strategy.inputs(MEMBERS[1:], At(4, 0, 4))
    assert torch.equal(whole[-1], part[-1])
    alone = strategy.module(*strategy.inputs(MEMBERS[2:], At(4, 0, 4)))
    torch.testing.assert_close(strategy.module(*whole)[2], alone[0], atol=1e-5, rtol=1e-5)


def test_the_loss_has_it_by_its_weight_and_the_vectors_are_the_models(lesson: Taught) -> None:
    strategy, plain = lesson.strategy(lesson.with_(loss={"ctc": 0.5})), lesson.strategy()
    at = At(0, 0, 0)
    vectors = strategy.module(*strategy.inputs(MEMBERS, at))
    told = strategy.loss(vectors, MEMBERS, at, ALONE)
    torch.testing.assert_close(told["ctc"], vectors[:, -1].mean())
    without = plain.loss(vectors[:, :-1], MEMBERS, at, ALONE)
    torch.testing.assert_close(told["loss"], without["loss"] + 0.5 * told["ctc"])
    torch.testing.assert_close(vectors[:, :-1], strategy.model(*plain.inputs(MEMBERS, at)))


def test_it_is_learnt_and_left_behind(lesson: Taught) -> None:
    spec = lesson.with_(loss={"ctc": 1.0}, optimiser={"epochs": 3})
    strategy = lesson.strategy(spec)
    told = [event.losses["ctc"] for event in run(strategy, spec, precision="float32") if isinstance(event, StepDone)]
    assert np.mean(told[-4:]) < 0.9 * np.mean(told[:4])
    assert not [name for name, _ in strategy.model.named_parameters() if "ctc" in name]
    again = lesson.strategy(spec)
    again.load(strategy.state())
    assert all(torch.equal(again.state()[name], value) for name, value in strategy.state().items())


def test_without_transcripts_there_is_none(lesson: Taught) -> None:
    spec = lesson.with_(loss={"ctc": 1.0})
    with pytest.raises(SpecError, match="clips with their transcripts"):
        LateFusionStrategy(lesson.make(spec), lesson.features, lesson.targets, [0], [1], spec, lambda *_: np.zeros(1))
