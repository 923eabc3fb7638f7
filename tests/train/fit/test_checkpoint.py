"""Checkpoints are whole, explain themselves, refuse another spec, and make room for the best."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from embed.errors import InputError, SpecError, StorageError
from train.fit.checkpoint import Checkpoints, State, difference, with_scores

SPEC: dict[str, Any] = {"optimiser": {"batch": 64, "epochs": 3}, "dims": (384, 128), "hybrid": None}


def state(step: int, score: float | None = None) -> State:
    weights = {"fusion.linear": torch.full((2, 2), float(step))}
    adam = {"step/fusion.linear": torch.tensor(float(step)), "exp_avg/fusion.linear": torch.zeros(2, 2)}
    return State(step, 1, 2, weights, adam, {}, {} if score is None else {"score": score, "x@8": 0.25}, 0.5, 1)


@contextmanager
def full() -> Iterator[None]:
    """No file may grow over a kilobyte, as on a disk that is nearly full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    url = Checkpoints(str(tmp_path / "run"), SPEC).save(state(7, 0.4))
    assert url == f"{tmp_path}/run/00000007.safetensors"
    found = Checkpoints(str(tmp_path / "run"), SPEC).newest()
    assert found is not None
    assert (found.step, found.epoch, found.position) == (7, 1, 2)
    assert (found.scores, found.best, found.stale, found.finished) == ({"score": 0.4, "x@8": 0.25}, 0.5, 1, False)
    assert torch.equal(found.weights["fusion.linear"], torch.full((2, 2), 7.0))
    assert set(found.optimiser) == {"step/fusion.linear", "exp_avg/fusion.linear"}
    assert found.optimiser["step/fusion.linear"].item() == 7
    assert found.average == {}


def test_where_nothing_is_there_is_none(tmp_path: Path) -> None:
    checkpoints = Checkpoints(str(tmp_path / "run"), SPEC)
    assert checkpoints.newest() is None
    assert checkpoints.best() is None
    checkpoints.save(state(1))
    assert checkpoints.best() is None


def test_the_newest_and_the_best_are_kept(tmp_path: Path) -> None:
    checkpoints = Checkpoints(str(tmp_path), SPEC, keep=2)
    for step, score in enumerate([0.1, 0.5, 0.3, None, 0.2, 0.5], start=1):
        checkpoints.save(state(step, score))
    assert names(tmp_path) == ["00000002.safetensors", "00000006.safetensors"]
    again = Checkpoints(str(tmp_path), SPEC, keep=2)  # by another process, which knows only what stands there
    again.save(state(7))
    assert names(tmp_path) == ["00000002.safetensors", "00000006.safetensors", "00000007.safetensors"]
    best, newest = again.best(), again.newest()
    assert best is not None
    assert newest is not None
    assert (best.step, newest.step) == (2, 7)  # of equal scores the first


def test_a_step_that_is_saved_again_is_replaced(tmp_path: Path) -> None:
    checkpoints = Checkpoints(str(tmp_path), SPEC)
    checkpoints.save(state(3))
    checkpoints.save(state(3, 0.9))
    assert names(tmp_path) == ["00000003.safetensors"]
    best = checkpoints.best()
    assert best is not None
    assert best.scores["score"] == 0.9


def test_a_checkpoint_of_another_spec_is_refused_with_the_difference(tmp_path: Path) -> None:
    Checkpoints(str(tmp_path), SPEC).save(state(1))
    other = {"optimiser": {"batch": 32, "epochs": 3}, "dims": (384,), "hybrid": None}
    with pytest.raises(
        SpecError, match=r"another spec: optimiser.batch was 64, is 32; dims was \[384, 128\], is \[384\]"
    ):
        Checkpoints(str(tmp_path), other).newest()


def test_what_is_no_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "00000001.safetensors").write_bytes(b"not at all")
    with pytest.raises(InputError, match=r"00000001.safetensors: not a checkpoint of a training"):
        Checkpoints(str(tmp_path), SPEC).newest()


def test_a_save_that_storage_refuses_leaves_what_stood(tmp_path: Path) -> None:
    checkpoints = Checkpoints(str(tmp_path / "run"), SPEC)
    checkpoints.save(state(1))
    large = replace(state(2), weights={"w": torch.zeros(10_000)})
    with pytest.raises(StorageError, match="run"), full():
        checkpoints.save(large)
    found = checkpoints.newest()
    assert found is not None
    assert found.step == 1
    assert names(tmp_path / "run") == ["00000001.safetensors"]


def test_scores_move_the_best_only_when_they_are_higher() -> None:
    first = with_scores(state(1), {"score": 0.6})
    assert (first.best, first.stale) == (0.6, 0)
    same = with_scores(first, {"score": 0.6})
    assert (same.best, same.stale) == (0.6, 1)


def test_the_running_mean_is_what_is_kept() -> None:
    one = State(1, 0, 1, {"w": torch.zeros(1), "centre": torch.ones(1)}, {}, {"w": torch.full((1,), 2.0)})
    assert {name: value.item() for name, value in one.final_weights().items()} == {"w": 2, "centre": 1}


def test_a_difference_names_the_innermost_field() -> None:
    assert difference({"a": {"b": 1}, "c": 2}, {"a": {"b": 1}, "c": 2}) == []
    assert difference({"a": {"b": 1}}, {"a": {"b": 2}, "c": 3}) == ["a.b was 1, is 2", "c was None, is 3"]
