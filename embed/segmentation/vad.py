"""Voice activity detection: silero-vad through the ONNX file of its package, without torch.

Probabilities are on an absolute grid: frame i is samples [512 i, 512 i + 512) of the *recording*, 32 ms.  The
network is recurrent, so its output would depend on where reading began; here it runs over fixed blocks of the
recording, each from a fresh state with a fixed warm-up, always in one shape.  So a frame's probability is the same,
to the bit, in every unit.
"""

import importlib.util
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime

from embed.encoder import FloatArray
from embed.errors import DataUnavailable
from embed.identity import file_sha256

FRAME = 512  # samples
FRAME_MS = 32
_CONTEXT = 64  # samples before each frame that the network also sees
BLOCK = 256  # frames, 8.2 s
WARM_UP = 128  # frames, 4 s: 0.2 % of frames then differ from one long run (0.9 % with none)
LEAD_SAMPLES = (BLOCK + WARM_UP) * FRAME  # most samples to decode before the first sample of interest

# The variant that takes a whole sequence in one call: one run per block instead of one per frame.
_FILE = "silero_vad_16k_sequence.onnx"


def speech_probabilities(samples: FloatArray, start: int = 0) -> tuple[int, FloatArray]:
    """The first absolute frame with a probability, and float32 [n]: probabilities of it and all after it.

    `samples` are 16 kHz mono; `start` is the place of samples[0] in the recording.  Frames of blocks whose warm-up
    is before `start` are left out: give `LEAD_SAMPLES` more than is needed.  A last partial frame is filled with
    zeros.
    """
    block = 0 if start == 0 else -((-start - WARM_UP * FRAME - _CONTEXT) // (BLOCK * FRAME))
    stop = -(-(start + len(samples)) // FRAME)
    found = [_block(samples, start, number) for number in range(block, -(-stop // BLOCK))]
    first = block * BLOCK
    return first, np.concatenate([np.zeros(0, np.float32), *found])[: max(stop - first, 0)]


def model_digest() -> str:
    """sha256 of the network's file: part of the cutting fingerprint."""
    return _digest(_model_path())


def _block(samples: FloatArray, start: int, number: int) -> FloatArray:
    first = (number * BLOCK - WARM_UP) * FRAME - _CONTEXT - start
    wave = np.zeros(_CONTEXT + (WARM_UP + BLOCK) * FRAME, np.float32)
    have = samples[max(first, 0) : max(first + len(wave), 0)]
    wave[max(-first, 0) : max(-first, 0) + len(have)] = have
    frames = np.lib.stride_tricks.sliding_window_view(wave, _CONTEXT + FRAME)[::FRAME]
    frames = frames[WARM_UP:] if number == 0 else frames  # nothing precedes the recording: no warm-up there
    blank = np.zeros((1, 1, 128), np.float32)
    feed = {"input": np.ascontiguousarray(frames), "h": blank, "c": blank}
    probabilities: FloatArray = _session().run(["speech_probs"], feed)[0].reshape(-1)
    return probabilities[-BLOCK:]


@cache
def _session() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # the workers are the parallelism
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(_model_path()), options, providers=["CPUExecutionProvider"])


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
    return file_sha256(path)
