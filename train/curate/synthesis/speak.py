"""Utterances spoken once, by several processes, and kept as FLAC below the cache folder.

A file is named by its utterance and the engine's identity, and appears whole; one of no bytes says that nothing usable
was said.  What was interrupted goes on where it stood.
"""

import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import astuple
from multiprocessing import get_context, parent_process
from pathlib import Path

import numpy as np
import soundfile

from embed.encoder import SAMPLE_RATE, FloatArray
from embed.errors import StorageError, WorkLeftUndone
from embed.identity import digest
from embed.storage.cache import only_one
from train.curate.synthesis.utterance import Engine, Speaker, Utterance

MAKE = 1  # Raise it when the same utterance is spoken or finished otherwise.
SHORTEST_S, LONGEST_S = 0.4, 12.0
SILENT, EDGE = 1e-3, 0.01  # of full scale; of the loudest sample
PEAK, PAD_S, EDGE_S = 0.5, 0.1, 0.02
AT_A_TIME = 16  # utterances handed to a process

OnProgress = Callable[[int, int], None]  # how many of how many are done
Load = Callable[[], Speaker]


def file_of(utterance: Utterance, identity: str, folder: Path) -> Path:
    """Where it is kept, spoken or not."""
    name = digest("spoken", MAKE, identity, *astuple(utterance)).hex()
    return folder / name[:2] / f"{name}.flac"


def speak(
    work: Mapping[Path, Utterance],
    folder: Path,
    load: Mapping[Engine, Load],
    on_progress: OnProgress | None = None,
    processes: int | None = None,
) -> None:
    """Makes the files that are not there; safe for several callers, of whom one speaks and the others wait.

    Raises what `load` raises, WorkLeftUndone where a process was killed, StorageError where nothing can be written.
    """
    if all(path.is_file() for path in work):
        return
    with only_one(folder):
        missing = [(path, utterance) for path, utterance in work.items() if not path.is_file()]
        if on_progress and missing:
            on_progress(0, len(missing))
        done = 0
        for engine in dict.fromkeys(utterance.engine for _, utterance in missing):
            theirs = [one for one in missing if one[1].engine == engine]
            for many in _by_processes(theirs, load[engine], processes or len(os.sched_getaffinity(0))):
                done += many
                if on_progress:
                    on_progress(done, len(missing))


def _by_processes(work: Sequence[tuple[Path, Utterance]], load: Load, processes: int) -> Iterator[int]:
    """How many were spoken, now and then."""
    pieces = [work[i : i + AT_A_TIME] for i in range(0, len(work), AT_A_TIME)]
    # Fresh processes: a fork of one with threads, as torch and Ray start them, may hang.
    pool = ProcessPoolExecutor(min(processes, len(pieces)), get_context("spawn"), _begin, (load,))
    try:
        for piece in as_completed([pool.submit(_speak_and_keep, one) for one in pieces]):
            yield piece.result()
    except BrokenProcessPool:
        raise WorkLeftUndone(
            "synthetic speech: a process that speaks was killed, perhaps as memory ran out; run again, and it goes on"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def finished(wave: FloatArray) -> FloatArray | None:
    """Cut to what is heard, with a tenth of a second around, as loud as any; None where too little or too much is."""
    loudest = float(np.abs(wave).max(initial=0))
    if not SILENT < loudest < np.inf:
        return None
    heard = np.flatnonzero(np.abs(wave) > EDGE * loudest)
    edge = round(EDGE_S * SAMPLE_RATE)
    wave = wave[max(0, heard[0] - edge) : heard[-1] + edge] * np.float32(PEAK / loudest)
    wave = np.pad(wave, round(PAD_S * SAMPLE_RATE))
    return wave if SHORTEST_S <= len(wave) / SAMPLE_RATE <= LONGEST_S else None


def _begin(load: Load) -> None:
    """In each process, once: the engine; and an end where the parent ends, even killed."""
    global _speaker
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _speaker = _LazySpeaker(load)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


class _LazySpeaker:
    """Loads at the first utterance: what an initialiser raises is not reported."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._speaker: Speaker | None = None

    def speak(self, utterance: Utterance) -> FloatArray:
        if self._speaker is None:
            self._speaker = self._load()
        return self._speaker.speak(utterance)


_speaker: Speaker


def _speak_and_keep(work: Sequence[tuple[Path, Utterance]]) -> int:
    for path, utterance in work:
        wave = finished(_speaker.speak(utterance))
        try:
            _keep(path, wave)
        except OSError as error:
            raise StorageError(f"{path.parent}: cannot be written ({error}); make room, then run again") from None
    return len(work)


def _keep(path: Path, wave: FloatArray | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=".draft-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            if wave is not None:
                soundfile.write(file, wave, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
        os.chmod(draft, 0o644)
        os.replace(draft, path)
    finally:
        Path(draft).unlink(missing_ok=True)
