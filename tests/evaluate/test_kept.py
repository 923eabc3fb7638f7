"""Encodings that are kept: read again for the same models and inputs, made anew for any others."""

from pathlib import Path

import numpy as np
import pytest

from evaluate.kept import kept
from evaluate.kept_files import FOLDER
from evaluate.models import load_models
from evaluate.vectors import speech_vectors, text_vectors
from tests.evaluate.shelf import clips_in, spec_of


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEGLU_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / FOLDER


@pytest.mark.slow
def test_the_same_again_is_read_and_anything_else_is_made(shelf: Path, tmp_path: Path, cache: Path) -> None:
    systems = ["late-fusion", "ridge", "ceiling"]
    clips = clips_in(tmp_path)
    first = speech_vectors(load_models(spec_of(shelf, "model", systems, keep=True)), systems, clips, "query")
    assert len(list(cache.iterdir())) == 3
    models = load_models(spec_of(shelf, "model", systems, keep=True))
    models.__dict__["model"] = None  # nothing is encoded
    again = speech_vectors(models, systems, clips, "query")
    for name in systems:
        np.testing.assert_array_equal(again[name], first[name])
    models = load_models(spec_of(shelf, "model", systems, keep=True))
    speech_vectors(models, ["late-fusion"], clips, "document")
    speech_vectors(models, ["late-fusion"], clips[:2], "query")
    (tmp_path / "0.wav").write_bytes((tmp_path / "1.wav").read_bytes())
    speech_vectors(models, ["late-fusion"], clips, "query")
    assert len(list(cache.iterdir())) == 6
    text_vectors(models, ["late-fusion", "ridge"], ["a", "b"], "query")
    assert len(list(cache.iterdir())) == 7  # both have the texts of the model
    plain = load_models(spec_of(shelf, "model", systems))
    speech_vectors(plain, ["ridge"], clips[:1], "query")
    assert len(list(cache.iterdir())) == 7


def test_a_damaged_file_and_a_full_cache_are_no_errors(
    cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    vectors = np.eye(3, dtype=np.float32)
    kept(b"key", lambda: vectors)
    (file,) = cache.iterdir()
    file.write_bytes(file.read_bytes()[:-40])
    np.testing.assert_array_equal(kept(b"key", lambda: vectors), vectors)
    assert "damaged; encoding again" in caplog.text
    np.testing.assert_array_equal(kept(b"key", lambda: pytest.fail("kept")), vectors)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    np.testing.assert_array_equal(kept(b"other", lambda: vectors), vectors)
    assert "encodings are not kept" in caplog.text
    assert [one.name for one in cache.iterdir()] == [file.name]
