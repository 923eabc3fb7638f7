"""The models of a spec: what is loaded, what is kept, what is refused."""

from pathlib import Path

import numpy as np
import pytest

from embed.encoder import FloatArray, Role
from embed.errors import InputError, SpecError
from evaluate.models import load_models
from evaluate.vectors import text_vectors
from tests.evaluate.shelf import spec_of


def test_a_width_that_the_model_lacks_is_refused(shelf: Path) -> None:
    with pytest.raises(SpecError, match=r"field 'dims': .*model' has no width 20; give some of 32, 16, 8"):
        load_models(spec_of(shelf, "model", ["late-fusion"], dims=[32, 20]))


@pytest.mark.slow
def test_a_hybrid_brings_its_own_number_of_transcripts(shelf: Path) -> None:
    found = [
        load_models(spec_of(shelf, "hybrid", ["cascade"], hearing=hearing)).transcripts
        for hearing in ({}, {"hypotheses": 4})
    ]
    assert [one.hypotheses for one in found] == [2, 4]


def test_texts_that_tasks_share_are_encoded_once_a_role(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = load_models(spec_of(shelf, "model", ["late-fusion"]))
    encoded, encode = [], models.model.encode

    def counting(texts: list[str], role: Role) -> FloatArray:
        encoded.append((tuple(texts), role))
        return encode(texts, role)

    monkeypatch.setattr(models.model, "encode", counting)
    asked: list[tuple[list[str], Role]] = [(["a", "b"], "query"), (["a", "b"], "document"), (["a", "b"], "query")]
    found = [text_vectors(models, ["late-fusion"], texts, role)["late-fusion"] for texts, role in asked]
    assert encoded == [(("a", "b"), "query"), (("a", "b"), "document")]
    assert found[0] is found[2]
    np.testing.assert_array_equal(np.asarray(found[1]), encode(["a", "b"], "document"))


def test_what_is_missing_is_named(shelf: Path) -> None:
    with pytest.raises(SpecError, match=r"is no hybrid model .* set hearing\.weight"):
        load_models(spec_of(shelf, "model", ["hybrid"], hearing={"asr": str(shelf / "ears")}))
    with pytest.raises(SpecError, match="has no head"):
        load_models(spec_of(shelf, "model", ["dual"], dual=str(shelf / "model")))
    with pytest.raises(SpecError, match="its space differs"):
        load_models(spec_of(shelf, "model", ["dual"], dual=str(shelf / "other")))
    with pytest.raises(InputError, match="no ridge baseline"):
        load_models(spec_of(shelf, "dual", ["ridge"]))
