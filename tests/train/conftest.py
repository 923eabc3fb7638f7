"""The tiny lesson, made once for all tests of training."""

import pytest

from tests.towers import Tiny
from tests.train.taught import Taught, taught


@pytest.fixture(scope="session")
def lesson(tiny: Tiny) -> Taught:
    return taught(tiny)
