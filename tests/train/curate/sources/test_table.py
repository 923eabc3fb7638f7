"""The table of sources: what stands behind a name, and that specs take their names from it."""

import subprocess
import sys

import pytest

from embed.errors import SpecError
from train.curate.sources import synthetic
from train.curate.sources.table import SOURCES, Source, key_prefix
from train.spec import SourceSpec, TextSourceSpec


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_keeps_the_contract(name: str) -> None:
    source = SOURCES[name]
    assert all(hasattr(source, one) for one in (*Source.__annotations__, "packages", "clips", "captions"))
    assert set(source.TEXT_LANGS) <= set(source.LANGS)
    assert source.packages(source.LANGS)


def test_keys_begin_with_the_source_and_those_of_a_manifest_with_its_name() -> None:
    assert [key_prefix(name) for name in ("asterisk", "tuxpaint", "synthetic")] == ["ast", "tux", synthetic.SOURCE]
    assert key_prefix("manifest", "/data/radio.jsonl.gz") == "radio"
    assert len({SOURCES[name].SOURCE for name in SOURCES}) == len(SOURCES)


def test_a_name_that_is_not_in_the_table_is_refused() -> None:
    with pytest.raises(SpecError, match="name' = 'librivox': no source has this name; give one of asterisk, tuxp"):
        SourceSpec.parse({"name": "librivox"})
    with pytest.raises(SpecError, match="give one of asterisk, tuxpaint, manuals, manifest"):
        TextSourceSpec.parse({"name": "synthetic"})
    with pytest.raises(KeyError):
        SOURCES["manifest"]


@pytest.mark.slow
def test_a_spec_is_validated_without_reading_any_source() -> None:
    probe = """
import sys
from train.spec import SourceSpec
SourceSpec.parse({"name": "asterisk", "langs": ["fr"]})
print([name for name in ("numpy", "soundfile", "torch", "train.curate.sources.asterisk") if name in sys.modules])
"""
    assert subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout == "[]\n"
