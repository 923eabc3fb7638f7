import pytest

from embed.errors import DataUnavailable
from train.curate.synthesis.installed import version_of


def test_what_pip_has_not_installed_is_named_with_its_cure() -> None:
    assert version_of("numpy")
    with pytest.raises(DataUnavailable, match=r"no-such-engine is not installed; pip install -e '\.\[synthetic\]'"):
        version_of("no-such-engine")
