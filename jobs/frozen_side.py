"""What training never changes, computed once and kept under the work folder: the transform and the texts' vectors."""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from embed.cache import cache_folder
from embed.identity import digest
from embed.model.directory import assemble, tower_digest
from embed.model.joint import JointEncoder
from embed.model.transform import fit
from train.curate.sources.clips import Clip
from train.data import mixed_texts
from train.spec import TrainSpec
from train.targets import Targets, encode_texts, gather_texts, targets_of


def frozen_side(spec: TrainSpec, train: Sequence[Clip], work: Path) -> JointEncoder:
    """The untrained model with its transform fitted; the fit is kept, so that every worker has the same one."""
    model = assemble(spec.encoder)
    if model.transform is None:
        return model
    place = _transform_path(spec, work)
    if not place.exists():
        # All texts of the towers' space as it is, before any transform.
        plain = assemble(spec.encoder.model_copy(update={"transform": False, "speech": None, "fusion": None}))
        langs = sorted({lang for source in spec.sources for lang in source.langs} | set(spec.target_langs))
        texts = mixed_texts(train, langs, spec.manuals, cache_folder(), spec.seed)
        fitted = fit(torch.from_numpy(plain.encode(texts, "document")))
        place.parent.mkdir(parents=True, exist_ok=True)
        save_file(fitted.state_dict(), place)
    model.transform.load_state_dict(load_file(place))
    return model


def frozen_targets(spec: TrainSpec, model: JointEncoder, clips: Sequence[Clip], work: Path) -> Targets:
    """The texts of the clips with their vectors, encoded once and kept."""
    texts, own = gather_texts(clips, spec.target_langs)
    place = work / f"targets-{digest(_transform_path(spec, work).name, texts).hex()}.safetensors"
    if not place.exists():
        save_file(dict(encode_texts(model, texts)), place)
    return targets_of(clips, texts, own, load_file(place))


def _transform_path(spec: TrainSpec, work: Path) -> Path:
    """Named by what the fit depends on, so that trainings which differ elsewhere share it."""
    text = [spec.encoder.text.model_dump(mode="json"), tower_digest(spec.encoder.text.name)]
    mixed = [[source.model_dump(mode="json") for source in spec.sources], spec.target_langs, spec.manuals, spec.seed]
    return work / f"transform-{digest(text, mixed).hex()}.safetensors"
