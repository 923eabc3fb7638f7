"""Synthesis of utterances, each once, by several processes, into FLAC files below the cache folder.

A file is named by its utterance and the engine's identity, and is complete or absent; an empty file means that the
engine produced no usable sound.  An interrupted synthesis resumes with the missing files.
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

RECIPE = 1  # Increment it when the same utterance gets another wave.
SHORTEST_S, LONGEST_S = 0.4, 12.0
SILENT, EDGE = 1e-3, 0.01  # SILENT of full scale, EDGE of the loudest sample
PEAK, PAD_S, EDGE_S = 0.5, 0.1, 0.02
AT_A_TIME = 16  # utterances per task of a process

OnProgress = Callable[[int, int], None]  # number done, number of all
Load = Callable[[], Speaker]


def file_of(utterance: Utterance, identity: str, folder: Path) -> Path:
    """Path of the utterance's file, whether it exists or not."""
    name = digest("spoken", RECIPE, identity, *astuple(utterance)).hex()
    return folder / name[:2] / f"{name}.flac"


def speak(
    work: Mapping[Path, Utterance],
    folder: Path,
    load: Mapping[Engine, Load],
    on_progress: OnProgress | None = None,
    processes: int | None = None,
) -> None:
    """Writes the missing files; several processes may call it: one synthesises, the others wait.

    Raises the errors of `load`, WorkLeftUndone where a process was killed, StorageError where a file cannot be written.
    """
    if all(path.is_file() for path in work):
        return
    with only_one(folder):
        missing = [(path, utterance) for path, utterance in work.items() if not path.is_file()]
        if on_progress and missing:
            on_progress(0, len(missing))
        done = 0
        for engine in dict.fromkeys(utterance.engine for _, utterance in missing):
            own = [one for one in missing if one[1].engine == engine]
            for number in _by_processes(own, load[engine], processes or len(os.sched_getaffinity(0))):
                done += number
                if on_progress:
                    on_progress(done, len(missing))


def _by_processes(work: Sequence[tuple[Path, Utterance]], load: Load, processes: int) -> Iterator[int]:
    """Numbers of utterances done, one for each finished piece."""
    pieces = [work[i : i + AT_A_TIME] for i in range(0, len(work), AT_A_TIME)]
    # Fresh processes: a fork of one with threads, as torch and Ray start them, may hang.
    pool = ProcessPoolExecutor(min(processes, len(pieces)), get_context("spawn"), _begin, (load,))
    try:
        for piece in as_completed([pool.submit(_speak_and_write, one) for one in pieces]):
            yield piece.result()
    except BrokenProcessPool:
        raise WorkLeftUndone(
            "synthetic speech: a worker process was killed, perhaps out of memory; run the command again to continue"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def trim(wave: FloatArray) -> FloatArray | None:
    """The audible part with 0.1 s of silence at both ends, at half of full scale; None if silent or not 0.4 to 12 s."""
    loudest = float(np.abs(wave).max(initial=0))
    if not SILENT < loudest < np.inf:
        return None
    audible = np.flatnonzero(np.abs(wave) > EDGE * loudest)
    edge = round(EDGE_S * SAMPLE_RATE)
    wave = wave[max(0, audible[0] - edge) : audible[-1] + edge] * np.float32(PEAK / loudest)
    wave = np.pad(wave, round(PAD_S * SAMPLE_RATE))
    return wave if SHORTEST_S <= len(wave) / SAMPLE_RATE <= LONGEST_S else None


def _begin(load: Load) -> None:
    """Runs once in each process: sets the engine, and ends the process when its parent ends, even killed."""
    global _speaker
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _speaker = _LazySpeaker(load)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


class _LazySpeaker:
    """Loads at the first utterance: a pool does not report the errors of an initialiser."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._speaker: Speaker | None = None

    def speak(self, utterance: Utterance) -> FloatArray:
        if self._speaker is None:
            self._speaker = self._load()
        return self._speaker.speak(utterance)


_speaker: Speaker


def _speak_and_write(work: Sequence[tuple[Path, Utterance]]) -> int:
    for path, utterance in work:
        wave = trim(_speaker.speak(utterance))
        try:
            _write(path, wave)
        except OSError as error:
            raise StorageError(f"{path.parent}: cannot be written ({error}); free disk space and run again") from None
    return len(work)


def _write(path: Path, wave: FloatArray | None) -> None:
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
