"""The table of systems: what a line promises, and that a spec takes its names from it."""

import subprocess
import sys

import pytest

from embed.errors import SpecError
from evaluate.models import Models
from evaluate.spec import MeasureSpec
from evaluate.systems import SYSTEMS, Definition

VALUES = {"model": "demo", "tasks": [{"benchmark": "asterisk", "query_lang": "fr", "document_lang": "en"}]}


def test_what_a_system_requires_is_a_property_of_the_models() -> None:
    for name, system in SYSTEMS.items():
        assert all(hasattr(Models, required) for required in (*system.requires, system.texts)), name


def test_a_line_of_the_table_is_enough_for_a_spec(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SpecError, match="no system has this name; give one of late-fusion, "):
        MeasureSpec.parse({**VALUES, "systems": ["mean"]})
    monkeypatch.setitem(SYSTEMS, "mean", Definition(lambda speech: speech.late_fusion))
    assert MeasureSpec.parse({**VALUES, "systems": ["mean"]}).systems == ("mean",)


@pytest.mark.slow
def test_a_spec_is_validated_without_torch() -> None:
    probe = "import sys, evaluate.spec; print('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout == "False\n"
