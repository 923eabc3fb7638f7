"""Towers of a training: checks of the spec against their configurations, before weights are loaded; their digests."""

from embed.errors import SpecError
from embed.model.towers.files import tower_digest
from train.frozen.size import tower_shape
from train.spec import TrainSpec


def check_towers(spec: TrainSpec) -> None:
    """Raises SpecError where a tower is not available or the spec does not fit it, before weights are loaded."""
    from embed.model.towers.pretrained import config_of  # transformers takes seconds to import: not on workers

    width, widest = config_of(spec.encoder.text.name, "text tower").hidden_size, spec.encoder.dims[0]
    if widest != width:
        raise SpecError(
            f"encoder.dims begins with {widest}, but vectors of {spec.encoder.text.name} have {width} dims; begin with"
            f" {width}"
        )
    if spec.encoder.speech is not None:
        tower_shape(spec.encoder.speech)
    if spec.strategy == "text" and spec.encoder.transform:
        raise SpecError(
            "encoder.transform orders the dims of a frozen tower; a trained one learns its own: set it to false"
        )
    if spec.strategy == "ridge":
        head = spec.encoder.head
        if head is None or head.pooling != "mean" or head.hidden or head.independent:
            raise SpecError("strategy ridge is linear on mean frames: set encoder.head to {pooling: mean} only")
    if spec.hybrid is not None and spec.strategy == "text":
        raise SpecError("a hybrid transcribes speech: leave `hybrid` out of strategy text")
    if spec.fewest_workers is not None and spec.fewest_workers > spec.workers:
        raise SpecError(f"fewest_workers = {spec.fewest_workers} is more than workers = {spec.workers}; lower it")
    if spec.strategy != "ridge" and spec.optimiser.batch < spec.workers:
        raise SpecError(
            f"optimiser.batch = {spec.optimiser.batch} is less than a row for each of {spec.workers} workers; lower"
            " workers"
        )


def tower_digests(spec: TrainSpec) -> dict[str, str]:
    """Digests of the towers' files on this machine, before training."""
    speech = spec.encoder.speech
    found = {"text": tower_digest(spec.encoder.text.name)}
    return found if speech is None else {**found, "speech": tower_digest(speech.name)}
