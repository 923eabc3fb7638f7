"""Recorded data for the tests, fetched once into the usual cache; what is missing is a loud skip, or a failure."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from embed.errors import DataUnavailable
from embed.storage.cache import cache_folder

T = TypeVar("T")
Obtain = Callable[[Callable[[Path], T]], T]


@pytest.fixture(scope="session")
def obtain() -> Obtain[T]:
    """`obtain(get)` is `get(cache)`; without the data the test skips, or fails where DEGLU_REQUIRE_DATA=1."""

    def call(get: Callable[[Path], T]) -> T:
        try:
            return get(cache_folder())
        except DataUnavailable as error:
            if os.environ.get("DEGLU_REQUIRE_DATA") == "1":
                pytest.fail(f"DEGLU_REQUIRE_DATA=1, yet {error}")
            pytest.skip(f"NO RECORDED DATA: {error}")

    return call
