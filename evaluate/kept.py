"""Encodings that are kept in the cache folder of this machine, so that a second report encodes nothing again.

A file of vectors is named by a digest of all that decides them: the fingerprints of the models, the settings, and the
texts, or the recordings by address, size and time, and the code that encodes.
"""

import logging
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from embed.encoder import FloatArray, Role
from embed.identity import digest
from embed.model.towers.digests import file_digest
from embed.model.towers.files import tower_digest
from evaluate.kept_files import code_digest, kept_folder, stretch_of, used, write
from evaluate.measures.by_dim import Rows
from evaluate.models import ASR, Models
from evaluate.systems import SYSTEMS
from train.curate.clip import Clip
from train.strategies.ridge import RIDGE

log = logging.getLogger(__name__)


def kept(key: bytes, make: Callable[[], Rows]) -> Rows:
    """The vectors of the key, made where they are not kept yet; those of independent heads are never kept."""
    path = kept_folder() / f"{key.hex()}.npy"
    if path.is_file():
        try:
            found: FloatArray = np.load(path, allow_pickle=False)
            used(path)
            return found
        except (OSError, ValueError, EOFError):
            log.warning("%s: damaged; encoding again", path)
    made = make()
    if isinstance(made, Mapping):
        return made
    write(path, lambda file: np.save(file, made))
    return made


def key_of_speech(models: Models, system: str, clips: Sequence[Clip], role: Role) -> bytes:
    """All that decides the vectors of recordings by a system; the ceiling reads their texts."""
    return digest(
        "speech",
        code_digest(),
        system,
        *_models(models, system),
        *(() if models.reader is None else (models.reader.name,)),
        role,
        *(repr((stretch_of(clip), clip.lang, clip.text)) for clip in clips),
    )


def key_of_texts(models: Models, system: str, texts: Sequence[str], role: Role) -> bytes:
    """All that decides the vectors of texts by a system."""
    prints = models.fingerprints(SYSTEMS[system].texts)
    return digest("texts", code_digest(), prints.space, role, *texts)


def _models(models: Models, system: str) -> list[str]:
    """The identity of the models and settings that a system uses."""
    required = SYSTEMS[system].requires
    found = [models.fingerprints("model").encoder]
    found += [models.fingerprints(name).encoder for name in ("dual", "other") if name in required]
    if "ridge" in required:
        found.append(file_digest(models.folder / RIDGE))
    if "transcripts" in required:
        settings = models.spec.hearing
        found += [repr(settings.model_dump()), tower_digest(settings.asr or ASR)]
    return found
