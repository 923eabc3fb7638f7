from pathlib import Path

import pytest

from tests.towers import Tiny


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory, tiny: Tiny) -> Path:
    """The folder of `tests.evaluate.shelf.shelf_in`."""
    from tests.evaluate.shelf import shelf_in  # torch and transformers: only for the tests that need them

    return shelf_in(tmp_path_factory.mktemp("shelf"), tiny)
