"""How badly codes suit new rows is a number; what it means is said."""

from pathlib import Path

import numpy as np
import pytest

from index.live.compact import coder_of
from index.live.drift import drift, warnings_of
from index.parts.artifact import read_manifest
from index.parts.one_file import some_rows
from tests.index.living import appended, built, vector


@pytest.mark.slow
def test_rows_like_the_old_drift_by_nothing_and_noise_by_much(tmp_path: Path) -> None:
    url = str(tmp_path)
    manifest = built(url, range(1500), coded=True)
    (entry,) = manifest.segments
    old = some_rows(url, entry.part)
    coder = coder_of(url, manifest, "text")
    assert coder is not None
    like = np.stack([vector(number) for number in range(1500, 2000)]).astype(np.float16)
    noise = np.random.default_rng(0).standard_normal((500, 8)).astype(np.float16)
    found = drift(coder, like, coder.lists_of(like), old, entry.drift)
    assert found is not None
    assert 0.9 < found < 1.1
    # The old ones have drifted before:
    assert drift(coder, like, coder.lists_of(like), old, 2.0) == pytest.approx(2 * found, abs=1e-3)
    assert (drift(coder, noise, coder.lists_of(noise), old, entry.drift) or 0) > 1.5


def test_a_flat_modality_that_grew_large_is_warned_about(tmp_path: Path) -> None:
    url = str(tmp_path)
    built(url, range(6))
    told = appended(url, range(8))
    assert told.warnings == ()
    large = [entry.model_copy(update={"rows": 8_000}) for entry in told.manifest.segments]
    spec = told.manifest.spec.model_copy(update={"ladder": "auto"})
    manifest = read_manifest(url).model_copy(update={"segments": tuple(large), "spec": spec})
    (warning,) = warnings_of(url, manifest, large[1:])
    assert "all 16,000 text rows are read for each question, because the index was built with few" in warning
    assert warning.endswith("build again with `deglu index SPEC --new-version`")


def test_few_rows_are_no_reason_to_warn(tmp_path: Path) -> None:
    url = str(tmp_path)
    (entry,) = built(url, range(20), coded=True).segments
    far = entry.model_copy(update={"drift": 3.0, "rows": 99})
    assert list(warnings_of(url, read_manifest(url), [far])) == []
    assert len(list(warnings_of(url, read_manifest(url), [far.model_copy(update={"rows": 100})]))) == 1
