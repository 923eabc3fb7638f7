"""Plan of a training, for `deglu plan TRAIN_SPEC` and `deglu train SPEC --dry-run`.

Lists the sources; no recording is opened and no weights are loaded, so damaged or silent recordings still count.
"""

from typing import Any

import torch

from embed.model.adapters import add_lora, unfreeze
from embed.model.fusion import Fusion
from embed.model.head import SpeechHead
from embed.model.towers.pretrained import structure_of
from embed.model.towers.speech_families import known_family
from embed.quantities import many, size
from embed.storage import store
from jobs.command.output import Plain
from jobs.command.progress import Progress, Silent, note_if_slow
from jobs.training.check_towers import check_towers, tower_digests
from jobs.training.compute_features import missing_shards
from jobs.training.teacher import Lesson
from jobs.training.training_data import training_data, work_url
from train.batches import epoch_batches
from train.frozen.features import plan_shards
from train.frozen.size import feature_size, tower_shape
from train.spec import TrainSpec
from train.strategies.text import unfreeze as unfreeze_text


def plan_training(spec: TrainSpec, progress: Progress | None = None) -> Plain:
    """Examples, hours, feature bytes, steps, trained parameters, towers.  Raises what `deglu train` would."""
    progress = progress or Silent()
    check_towers(spec)
    with note_if_slow(progress, "listing the sources"):
        found = training_data(spec, progress, look_inside=False)
    epochs = 0 if spec.strategy == "ridge" else spec.optimiser.epochs
    clips, train = found.lesson.clips, found.lesson.train
    steps = [len(epoch_batches(clips, train, lambda one: 0, spec, epoch)) for epoch in range(epochs)] or [0]
    trainings = len(spec.trainings)
    document = {
        "strategy": spec.strategy,
        "output": spec.output,
        "work": work_url(spec),
        "examples": found.counts,
        "hours": found.hours,
        "dropped": found.dropped,
        "features": _features(spec, found.lesson),
        "steps": {
            "an_epoch": max(steps),
            "epochs": epochs,
            "all": trainings * sum(steps),
            "batch": spec.optimiser.batch,
        },
        "trainings": trainings,
        "workers": spec.workers,
        "trained_parameters": trained_parameters(spec),
        "towers": tower_digests(spec),
        "identity": spec.identity(),
        "spec": spec.model_dump(mode="json"),
    }
    return Plain(document, _text(document))


def trained_parameters(spec: TrainSpec) -> int:
    """Number of trained parameters, from configurations alone."""
    encoder, adapt = spec.encoder, spec.encoder.adapt
    with torch.device("meta"):
        modules: list[torch.nn.Module] = []
        if spec.strategy == "text" or adapt.text is not None:
            text = structure_of(spec.encoder.text.name, "text tower").requires_grad_(False)
            if spec.strategy == "text":
                unfreeze_text(text, spec.train_layers)
            if adapt.text is not None:
                add_lora(text, adapt.text)
            modules.append(text)
        if encoder.speech is not None:
            width = tower_shape(encoder.speech).width
            if encoder.fusion is not None:
                modules += [Fusion(encoder.fusion, width, encoder.dims[0]) for _ in range(encoder.fusion.members)]
            if encoder.head is not None:
                modules.append(SpeechHead(encoder.head, width, encoder.dims))
            if adapt.speech_trained:
                modules.append(_adapted_speech(spec))
    own = sum(one.numel() for module in modules for one in module.parameters() if one.requires_grad)
    return own + int(spec.loss.learn_temperature)


def _text(document: dict[str, Any]) -> str:
    """The plan as text, one line for each topic."""
    counts = ", ".join(f"{count:,} {part}" for part, count in document["examples"].items())
    hours = ", ".join(f"{one:.2f} h {part}" for part, one in document["hours"].items())
    steps, trainings = document["steps"], document["trainings"]
    lines = [
        f"training {document['output']} by strategy {document['strategy']} with {many(document['workers'], 'worker')}",
        f"examples: {counts}{f' ({hours})' if hours else ''}",
    ]
    if document["dropped"]:
        lines.append("left out: " + "; ".join(f"{count} {reason}" for reason, count in document["dropped"].items()))
    features = document["features"]
    if features is not None:
        kept = f"{size(features['bytes'])} kept in {features['url']}" if features["bytes"] else "never kept"
        lines.append(
            f"features: {features['frames']:,} frames in {many(features['views'], 'view')}, {kept};"
            f" {features['missing']} of {many(features['shards'], 'shard')} still to be computed"
        )
    if steps["all"]:
        lines.append(
            f"steps: {steps['all']:,} of {steps['batch']} examples, {steps['an_epoch']:,} at most in each of"
            f" {many(steps['epochs'], 'epoch')}{f' of {trainings} trainings' if trainings > 1 else ''}"
        )
    lines.append(f"trained: {document['trained_parameters']:,} parameters")
    lines += [f"{name} tower: {digest}" for name, digest in document["towers"].items()]
    return "\n".join([*lines, f"identity: {document['identity']}"])


def _features(spec: TrainSpec, lesson: Lesson) -> dict[str, Any] | None:
    if spec.strategy == "text":
        return None
    url = store.join(lesson.work, "features")
    shards = plan_shards(spec.encoder, lesson.clips, spec.features, spec.seed, url, lesson.num_train)
    needed = feature_size(spec.encoder, lesson.clips, spec.features, lesson.num_train)
    missing = len(shards) if spec.features.cache == "off" else len(missing_shards(shards))
    return {
        "cache": spec.features.cache,
        "views": needed.views,
        "frames": needed.frames,
        "bytes": needed.bytes,
        "url": url,
        "shards": len(shards),
        "missing": missing,
    }


def _adapted_speech(spec: TrainSpec) -> torch.nn.Module:
    adapt, speech = spec.encoder.adapt, spec.encoder.speech
    assert speech is not None
    whole = structure_of(speech.name, "speech tower")
    model: torch.nn.Module = known_family("speech tower", speech.name, whole.config).tower(whole)
    model.requires_grad_(False)
    depth = max(speech.layers) if speech.layers else None
    if adapt.speech is not None:
        add_lora(model, adapt.speech, depth)
    if adapt.unfreeze:
        unfreeze(model, adapt.unfreeze, depth)
    return model
