"""Rank of a projector, on a tiny model."""

from pathlib import Path

import numpy as np
import pytest
import torch

from embed.errors import InputError
from embed.model.handle import resolve_model
from embed.model.weights import load_joint
from evaluate.models import load_models
from evaluate.ranks.projector import cut_to_rank, decomposed, parameters, truncated
from evaluate.vectors import Speech, speech_vectors
from tests.evaluate.shelf import clips_in, spec_of


def test_truncation_is_the_nearest_matrix_of_its_rank() -> None:
    weight = torch.diag(torch.tensor([4.0, 3.0, 2.0]))
    factors = torch.linalg.svd(weight, full_matrices=False)
    assert truncated(factors, 2).diagonal().tolist() == pytest.approx([4, 3, 0])
    assert torch.allclose(truncated(factors, 9), weight)


@pytest.mark.slow
def test_late_fusion_by_a_projector_of_full_rank_is_late_fusion(shelf: Path, tmp_path: Path) -> None:
    clips = clips_in(tmp_path)
    models = load_models(spec_of(shelf, "model", ["late-fusion"], ranks={"projector": [1, 500]}))
    found = speech_vectors(models, ["late-fusion"], clips, "query")
    assert list(found) == ["late-fusion", "late-fusion, rank 1", "late-fusion, rank 500"]
    whole, one, all_of_it = (np.asarray(rows) for rows in found.values())
    assert np.abs(whole - all_of_it).max() < 1e-5
    assert np.abs(whole - one).max() > 1e-3
    again = Speech(models, clips, "query").late_fusion
    assert np.array_equal(whole, again)  # the projector is whole again
    fusion = models.model.fusion
    assert fusion is not None
    assert parameters(models.model, 2) == 2 * sum(fusion.linear.weight.shape)


@pytest.mark.slow
def test_a_model_without_a_fusion_has_no_projector(shelf: Path) -> None:
    model = load_joint(resolve_model(str(shelf / "dual")))
    with pytest.raises(InputError, match=r"ranks\.projector"):
        parameters(model, 2)
    with cut_to_rank(model, decomposed(model), 2):
        pass
