"""The exported folder, opened by the real library, gives our vectors of texts, at every declared width."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from embed.encoder import truncate
from embed.errors import InputError, SpecError
from embed.model import export as module
from embed.model.export import export
from embed.model.folder import TRANSFORM, HybridSpec
from embed.model.handle import resolve_model
from embed.model.hybrid import save_hybrid
from embed.model.spec import EncoderSpec
from embed.model.weights import assemble, load_model, save_model
from tests.towers import Tiny, encoder_values

TEXTS = ["a", "the radio says: rain", "", "ou est le marché?", "a longer sentence about the price of rice. " * 20]


def opened(folder: Path) -> Any:
    """By the real library, which takes ten seconds to import: not while tests are collected."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu")


def model_of(tiny: Tiny, folder: Path, text: str, pooling: str, transform: bool) -> str:
    values: dict[str, Any] = encoder_values(tiny, text) | {"transform": transform}
    values["text"] |= {"pooling": pooling, "query": "{task}: ", "document": "doc: ", "task": "find", "max_tokens": 64}
    torch.manual_seed(0)
    model = assemble(EncoderSpec.parse(values))
    if model.transform is not None:
        model.transform.centre.normal_(0, 0.1)
        model.transform.rotation.copy_(torch.linalg.qr(torch.randn(32, 32)).Q)
    save_model(model, folder, "# A tiny model\n")
    return str(folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "pooling", "transform"),
    [
        pytest.param("qwen3", "last", False, id="causal-last"),
        pytest.param("bert", "mean", True, id="bidirectional-mean-transform"),
        pytest.param("bert", "cls", True, id="bidirectional-cls-transform"),
    ],
)
def test_the_library_gives_our_vectors(tiny: Tiny, tmp_path: Path, text: str, pooling: str, transform: bool) -> None:
    name = model_of(tiny, tmp_path / "model", text, pooling, transform)
    ours, folder = load_model(resolve_model(name)), tmp_path / "new" / "exported"
    assert export(resolve_model(name), folder) == (32, 16, 8)
    theirs = opened(folder)
    for role in ("query", "document"):
        expected = ours.encode(TEXTS, role)
        found = theirs.encode(TEXTS, prompt_name=role)
        assert (found * expected).sum(1).min() >= 0.9999
        for dim in ours.dims:
            cut = theirs.encode(TEXTS, prompt_name=role, truncate_dim=dim, normalize_embeddings=True)
            assert cut.shape == (len(TEXTS), dim)
            assert (cut * truncate(expected, dim)).sum(1).min() >= 0.9999
    # Roles differ by far more than that.
    assert np.abs(theirs.encode(TEXTS, prompt_name="query") - found).max() > 10 * np.abs(found - expected).max()
    assert (folder / "README.md").read_text() == "# A tiny model\n"
    assert sorted(path.suffix for path in folder.rglob("*") if path.suffix in (".bin", ".pt", ".pkl")) == []


@pytest.mark.slow
def test_a_hybrid_is_exported_as_its_model(tiny: Tiny, tmp_path: Path) -> None:
    name = model_of(tiny, tmp_path / "model", "bert", "mean", True)
    save_hybrid(HybridSpec.parse({"model": "../model"}), tmp_path / "hybrid")
    export(resolve_model(str(tmp_path / "hybrid")), tmp_path / "exported")
    found = opened(tmp_path / "exported").encode(TEXTS, prompt_name="document")
    assert found == pytest.approx(load_model(resolve_model(name)).encode(TEXTS, "document"), abs=1e-4)


@pytest.mark.slow
def test_what_cannot_be_is_named(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = model_of(tiny, tmp_path / "model", "bert", "mean", True)
    with pytest.raises(SpecError, match="exists already; name a new folder"):
        export(resolve_model(name), tmp_path)
    with pytest.raises(SpecError, match="neither a released one"):
        export(resolve_model("nobody"), tmp_path / "exported")
    with monkeypatch.context() as patch:
        patch.setitem(module.POOLING, "mean", "max")  # a library that pools otherwise
        with pytest.raises(InputError, match="encodes a query differently"):
            export(resolve_model(name), tmp_path / "exported")
    (tmp_path / "model" / TRANSFORM).write_bytes(b"no tensors")
    with pytest.raises(InputError, match="no nesting transform"):
        export(resolve_model(name), tmp_path / "exported")
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(SpecError, match=r"pip install -e '\.\[export\]'"):
        export(resolve_model(name), tmp_path / "exported")
    assert not (tmp_path / "exported").exists()
