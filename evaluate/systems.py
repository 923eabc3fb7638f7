"""What is compared: late fusion, ridge on the same frames, and the frozen text tower given the true transcript.

Shapes: n clips, D width of the space.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from safetensors.torch import load_file

from embed.encoder import SAMPLE_RATE, FloatArray, Role
from embed.errors import InputError
from embed.model.budget import by_budget
from embed.model.directory import model_folder
from embed.model.fusion import shorten
from embed.model.joint import JointEncoder
from train.curate.sources.clips import Clip, read_clip
from train.ridge import Ridge

RIDGE = "ridge.safetensors"
SECONDS_BUDGET = 60


def speech_vectors(
    model: JointEncoder, ridge: Ridge | None, systems: Sequence[str], clips: Sequence[Clip], role: Role
) -> dict[str, FloatArray]:
    """Unit vectors [n, D] of the clips by system; `ridge` only where it is given.

    `ceiling` reads the transcript and hears nothing.
    """
    found: dict[str, FloatArray] = {}
    if "ceiling" in systems:
        found["ceiling"] = model.encode([clip.text for clip in clips], role)
    heard = [name for name in systems if name in ("late-fusion", "ridge")]
    out = {name: np.empty((len(clips), model.dims[0]), np.float32) for name in heard}
    for group, frames, lengths in _frames(model, clips) if heard else ():
        if "late-fusion" in out:
            out["late-fusion"][group] = model(frames, lengths, role).numpy()
        if ridge is not None and "ridge" in out:
            means = frames.sum(1) / lengths[:, None]
            out["ridge"][group] = ridge.predict(means).numpy()
    return {name: {**found, **out}[name] for name in systems}


def load_ridge(model: str) -> Ridge:
    """The baseline kept beside a model.  InputError where there is none."""
    path = model_folder(model) / RIDGE
    if not path.is_file():
        raise InputError(f"{path}: this model has no ridge baseline; leave `ridge` out of systems, or train again")
    return Ridge(**{name: value.float() for name, value in load_file(path).items()})


def _frames(model: JointEncoder, clips: Sequence[Clip]) -> Iterator[tuple[list[int], torch.Tensor, torch.Tensor]]:
    """Averaged frames [B, T, F] and lengths [B] of groups of clips, through the speech tower once for all systems."""
    if model.speech is None or model.fusion is None:
        raise InputError("this model encodes text alone; name one with a speech tower")
    waves = [read_clip(clip) for clip in clips]
    with torch.inference_mode():
        for group in by_budget([len(wave) for wave in waves], SECONDS_BUDGET * SAMPLE_RATE):
            frames, lengths = model.speech([waves[i] for i in group])
            yield group, *shorten(frames, lengths, model.fusion.spec.frame_pool)
