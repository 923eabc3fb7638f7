"""Frozen side of a training, computed once and kept below the work url: the transform and the texts' vectors."""

from collections.abc import Sequence
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

from embed.errors import SpecError
from embed.identity import digest
from embed.model.joint import JointEncoder
from embed.model.spec import AdaptSpec
from embed.model.towers.files import tower_digest
from embed.model.transform import NestingTransform
from embed.model.weights import assemble
from embed.storage import store
from embed.storage.cache import cache_folder
from train.curate.clip import Clip
from train.frozen.nesting import WEIGHTS, learn_nesting
from train.frozen.nesting_texts import NestingTexts, nesting_texts
from train.frozen.targets import Targets, compute_text_shard, gather_texts, plan_text_shards, read_vectors, targets_of
from train.spec import TrainSpec

FIT_SEED = 0  # not the training's: trainings of several seeds share one space


def frozen_side(spec: TrainSpec, train: Sequence[Clip], url: str, device: str = "cpu") -> JointEncoder:
    """The untrained model with its transform fitted; the fit is kept, so that every worker has the same one."""
    model = assemble(spec.encoder).to(device)
    if model.transform is None:
        return model
    place = store.join(url, f"transform-{fit_identity(spec, train)}.safetensors")
    if not store.exists(place):
        plain = _plain(spec, device)
        texts = nesting_texts(train, _langs(spec, train), spec.manuals, cache_folder(), FIT_SEED)
        store.write_bytes(place, save(_learned(plain, texts, spec).state_dict()))
    model.transform.load_state_dict(load(store.read_bytes(place)))
    return model


def fit_identity(spec: TrainSpec, train: Sequence[Clip]) -> str:
    """Digest of all that the transform's fit depends on, so that trainings which differ elsewhere share it."""
    langs = _langs(spec, train)
    # The texts themselves: a manifest may change while the spec that names it does not.
    texts = [[clip.source, clip.text, *(clip.translations.get(lang, "") for lang in langs)] for clip in train]
    made = [_text_tower(spec), list(spec.encoder.dims), list(WEIGHTS)]
    return digest("nesting", made, langs, texts, spec.manuals, FIT_SEED).hex()


def frozen_targets(spec: TrainSpec, model: JointEncoder, clips: Sequence[Clip], url: str) -> Targets:
    """The texts of the clips with their vectors; `model` is the result of `frozen_side`.

    The tower's own vectors are kept, and serve any transform that follows it.
    """
    texts, own = gather_texts(clips, spec.target_langs)
    shards = plan_text_shards(texts, digest("tower", _text_tower(spec)).hex(), store.join(url, "targets"))
    missing = [shard for shard in shards if not store.exists(shard.url)]
    if missing:
        plain = _plain(spec, str(model.text.model.device))
        for shard in missing:
            compute_text_shard(plain, shard)
    with torch.no_grad():
        vectors = {role: _placed(model, found) for role, found in read_vectors(shards).items()}
    return targets_of(clips, texts, own, vectors)


def _placed(model: JointEncoder, vectors: Tensor) -> Tensor:
    return model.place(vectors.to(model.text.model.device)).cpu()


def _plain(spec: TrainSpec, device: str) -> JointEncoder:
    """The text tower's space as it is, before any transform."""
    bare = {"transform": False, "speech": None, "fusion": None, "head": None, "adapt": AdaptSpec.parse({})}
    return assemble(spec.encoder.model_copy(update=bare)).to(device)


def _learned(plain: JointEncoder, texts: NestingTexts, spec: TrainSpec) -> NestingTransform:
    queries = torch.from_numpy(plain.encode(texts.texts, "query"))
    documents = torch.from_numpy(plain.encode(texts.texts, "document"))
    running = torch.from_numpy(plain.encode(texts.running, "document"))
    try:
        return learn_nesting(queries, documents, texts.groups, running, spec.encoder.dims, FIT_SEED)
    except ValueError as error:
        raise SpecError(f"field 'encoder.transform': {error}, or set it to false") from None


def _text_tower(spec: TrainSpec) -> list[Any]:
    return [spec.encoder.text.model_dump(mode="json"), tower_digest(spec.encoder.text.name)]


def _langs(spec: TrainSpec, train: Sequence[Clip]) -> list[str]:
    return sorted({clip.lang for clip in train} | set(spec.target_langs))
