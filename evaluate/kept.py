"""Encodings that are kept in the cache folder of this machine, so that a second report encodes nothing again.

A file of vectors is named by a digest of all that decides them: the fingerprints of the models, the settings, and the
texts, or the recordings by address, size and time, and the code that encodes.  Delete the folder `encodings` to encode
anew.
"""

import logging
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch

import embed
from embed.encoder import FloatArray, Role
from embed.errors import StorageError
from embed.identity import digest
from embed.model.towers.digests import file_digest
from embed.model.towers.files import tower_digest
from embed.storage import store
from embed.storage.cache import cache_folder
from evaluate.measures.by_dim import Rows
from evaluate.models import ASR, Models
from evaluate.systems import SYSTEMS
from train.curate.clip import Clip
from train.strategies.ridge import RIDGE

log = logging.getLogger(__name__)

FOLDER = "encodings"


def kept(key: bytes, make: Callable[[], Rows]) -> Rows:
    """The vectors of the key, made where they are not kept yet; those of independent heads are never kept.

    A cache that cannot be written keeps nothing, with a warning.
    """
    path = cache_folder() / FOLDER / f"{key.hex()}.npy"
    if path.is_file():
        try:
            found: FloatArray = np.load(path, allow_pickle=False)
            return found
        except (OSError, ValueError, EOFError):
            log.warning("%s: damaged; encoding again", path)
    made = make()
    if isinstance(made, Mapping):
        return made
    try:
        _write(path, made)
    except (OSError, StorageError) as error:
        log.warning("%s: encodings are not kept: %s", path.parent, error)
    return made


def key_of_speech(models: Models, system: str, clips: Sequence[Clip], role: Role) -> bytes:
    """All that decides the vectors of recordings by a system."""
    reader = () if models.reader is None else (models.reader.name,)
    known = *_models(models, system), *reader
    return digest("speech", _code(), system, *known, role, *(repr(_place(clip)) for clip in clips))


def key_of_texts(models: Models, system: str, texts: Sequence[str], role: Role) -> bytes:
    """All that decides the vectors of texts by a system."""
    prints = models.fingerprints(SYSTEMS[system].texts)
    return digest("texts", _code(), prints.space, role, *texts)


@cache
def _code() -> str:
    """Digest of the code of `embed`, and torch's version: vectors of other code are not ours."""
    folder = Path(embed.__file__).parent
    sources = sorted(folder.rglob("*.py"))
    return digest(torch.__version__, *(path.read_bytes() for path in sources)).hex()


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


def _place(clip: Clip) -> tuple[object, ...]:
    """A stretch of a recording, and the state of its file; the transcript, which the ceiling reads."""
    path = store.local_path(clip.uri)
    if path is not None:
        stat = path.stat()
        state: tuple[object, ...] = stat.st_size, stat.st_mtime_ns
    else:
        state = tuple((one.size_bytes, one.etag) for one in store.inputs(clip.uri))
    return clip.uri, clip.offset_s, clip.duration_s, clip.lang, clip.text, state


def _write(path: Path, vectors: FloatArray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=".draft-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            np.save(file, vectors)
        Path(draft).chmod(0o644)  # several users may share a cache
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
