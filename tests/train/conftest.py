"""The tiny lesson, made once for all tests of training."""

import pytest

from tests.towers import Tiny
from tests.train.memory_lesson import MemoryLesson, memory_lesson


@pytest.fixture(scope="session")
def lesson(tiny: Tiny) -> MemoryLesson:
    return memory_lesson(tiny)
