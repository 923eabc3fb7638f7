"""Voice activity detection: silero-vad with the weights of its package, without torch.

Probabilities are on an absolute grid: frame i is samples [512 i, 512 i + 512) of the *recording*, 32 ms.  The
network is recurrent, so its output would depend on where reading began; here it runs over fixed blocks of the
recording, each from a fresh state with a fixed warm-up, always in one shape: many blocks at once, at fixed places among
them.  So a frame's probability is the same, to the bit, in every unit.
"""

import importlib.util
from functools import cache
from pathlib import Path

import numpy as np
from threadpoolctl import ThreadpoolController

from embed.encoder import FloatArray
from embed.errors import DataUnavailable
from embed.identity import digest, file_sha256
from embed.segmentation.silero import CONTEXT, FRAME, TOGETHER, gates, load, probabilities

FRAME_MS = 32
BLOCK = 256  # frames, 8.2 s
WARM_UP = 128  # frames, 4 s: 0.2 % of frames then differ from one long run (0.9 % with none)
LEAD_SAMPLES = (BLOCK + WARM_UP) * FRAME  # most samples to decode before the first sample of interest

# Raise this when the arithmetic changes: probabilities then differ in their last bits.
_ARITHMETIC = 3
_FILE = "silero_vad_16k_sequence.onnx"


def speech_probabilities(samples: FloatArray, start: int = 0) -> tuple[int, FloatArray]:
    """The first absolute frame with a probability, and float32 [n]: probabilities of it and all after it.

    `samples` are 16 kHz mono; `start` is the place of samples[0] in the recording.  Frames of blocks whose warm-up
    is before `start` are left out: give `LEAD_SAMPLES` more than is needed.  A last partial frame is filled with
    zeros.
    """
    block = 0 if start == 0 else -((-start - WARM_UP * FRAME - CONTEXT) // (BLOCK * FRAME))
    stop = -(-(start + len(samples)) // FRAME)
    end = -(-stop // BLOCK)
    # With more threads the library adds in another order; the workers are the parallelism.
    with _libraries().limit(limits=1, user_api="blas"):
        found = [_group(samples, start, max(group, block), min(group + TOGETHER, end)) for group in _groups(block, end)]
    return block * BLOCK, np.concatenate([np.zeros(0, np.float32), *found])[: max(stop - block * BLOCK, 0)]


def model_digest() -> str:
    """Digest of the network's file and of its arithmetic here: part of the cutting fingerprint."""
    return _digest(_model_path())


def _groups(block: int, end: int) -> range:
    """The first block of each group that has some of the blocks [block, end)."""
    return range(block // TOGETHER * TOGETHER, end, TOGETHER)


def _group(samples: FloatArray, start: int, block: int, end: int) -> FloatArray:
    """Probabilities of the blocks [block, end) of one group."""
    network = load(_model_path())
    wide_SBG = np.zeros((WARM_UP + BLOCK, TOGETHER, network.bias.size), np.float32)
    before = gates(network, _frames(samples, start, block - 1)) if block else None
    for number in range(block, end):
        here, place = gates(network, _frames(samples, start, number)), number % TOGETHER
        wide_SBG[WARM_UP:, place] = here
        if before is not None:
            wide_SBG[:WARM_UP, place] = before[-WARM_UP:]
        before = here
    # Nothing precedes the recording: no warm-up there.
    fresh = [WARM_UP if number == 0 else 0 for number in range(TOGETHER)] if block == 0 else [0] * TOGETHER
    found: FloatArray = probabilities(network, wide_SBG, fresh)[WARM_UP:, block % TOGETHER :][:, : end - block]
    return found.T.reshape(-1)


def _frames(samples: FloatArray, start: int, number: int) -> FloatArray:
    """[BLOCK, CONTEXT + FRAME] of a block; zeros where there are no samples."""
    first = number * BLOCK * FRAME - CONTEXT - start
    wave = samples[max(first, 0) : max(first + CONTEXT + BLOCK * FRAME, 0)]
    if len(wave) < CONTEXT + BLOCK * FRAME:
        whole = np.zeros(CONTEXT + BLOCK * FRAME, np.float32)
        whole[max(-first, 0) : max(-first, 0) + len(wave)] = wave
        wave = whole
    return np.lib.stride_tricks.sliding_window_view(wave, CONTEXT + FRAME)[::FRAME]


@cache
def _libraries() -> ThreadpoolController:
    """The libraries that multiply matrices; finding them takes milliseconds."""
    return ThreadpoolController()


@cache
def _model_path() -> Path:
    # Found, not imported: importing silero_vad would load torch.
    spec = importlib.util.find_spec("silero_vad")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "data" / _FILE
        if path.is_file():
            return path
    raise DataUnavailable(f"{_FILE} is not installed; pip install 'silero-vad>=6.2,<7'")


@cache
def _digest(path: Path) -> str:
    return digest("silero", _ARITHMETIC, file_sha256(path)).hex()
