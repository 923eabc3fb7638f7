"""The same training has the same folder; another one has another, or is refused with the difference."""

from pathlib import Path
from typing import Any

import pytest
import torch

from embed.errors import SpecError
from jobs.training import frozen_side
from jobs.training.checkpoint_place import checkpoints_of
from jobs.training.teacher import Lesson
from tests.towers import Tiny
from tests.train.lesson import lesson_spec
from train.curate.clip import Clip
from train.fit.checkpoint import State


def lesson(folder: Path, text: str = "rain") -> Lesson:
    clips = (Clip("own", "own:1", "en", text, "1.wav", {"en": text}), Clip("own", "own:2", "en", "no", "2.wav", {}))
    return Lesson(clips, (), 1, str(folder))


def test_only_what_decides_the_weights_decides_the_folder(tiny: Tiny, tmp_path: Path) -> None:
    spec = lesson_spec(tiny)

    def url(text: str = "rain", **changed: Any) -> str:
        return checkpoints_of(spec.model_copy(update=changed), lesson(tmp_path, text)).url

    assert url().startswith(f"{tmp_path}/runs/")
    assert url() == url(output="elsewhere") == url(workers=7) == url(ridge=(2.0,))
    assert len({url(), url(seed=1), url(text="pluie"), url(target_langs=("fr",))}) == 4
    fusion = spec.encoder.fusion
    assert fusion is not None
    several = spec.encoder.model_copy(update={"fusion": fusion.model_copy(update={"members": 3})})
    assert url() == url(encoder=several)  # each of them is the training that it would be alone


def test_weights_of_another_space_are_another_trainings(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = lesson_spec(tiny)
    before = checkpoints_of(spec, lesson(tmp_path)).url
    monkeypatch.setattr(frozen_side, "WEIGHTS", (1.0, 0.5, 0.25))
    assert checkpoints_of(spec, lesson(tmp_path)).url != before


def test_a_folder_of_ones_own_is_refused_to_another_training(tiny: Tiny, tmp_path: Path) -> None:
    spec = lesson_spec(tiny, checkpoints={"url": str(tmp_path / "own")})
    first = checkpoints_of(spec, lesson(tmp_path))
    first.save(State(1, 0, 1, {"weight": torch.ones(2)}, {}, {}))
    assert checkpoints_of(spec, lesson(tmp_path)).newest() is not None
    with pytest.raises(SpecError, match="seed was 0, is 1"):
        checkpoints_of(spec.model_copy(update={"seed": 1}), lesson(tmp_path)).newest()
    with pytest.raises(SpecError, match="examples was"):
        checkpoints_of(spec, lesson(tmp_path, "pluie")).newest()
