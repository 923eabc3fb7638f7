import subprocess
import sys
from collections.abc import Callable

import numpy as np
import onnxruntime
import pytest
from threadpoolctl import ThreadpoolController

from embed.audio import decode as audio
from embed.encoder import FloatArray
from embed.errors import DataUnavailable
from embed.segmentation import vad
from embed.segmentation.silero import FRAME
from embed.storage.cache import cache_folder
from train.curate.sources.asterisk import clips

Voice = Callable[[float, int], FloatArray]


@pytest.fixture(scope="module")
def recording(voice: Voice) -> FloatArray:
    """Speech, near silence, speech; 70 s."""
    hush = (0.001 * np.random.default_rng(0).standard_normal(16_000 * 20)).astype(np.float32)
    return np.concatenate([voice(25, 0), hush, voice(25, 1)])


@pytest.mark.slow
def test_speech_is_heard_and_silence_is_not(recording: FloatArray) -> None:
    first, probabilities = vad.speech_probabilities(recording)
    assert first == 0
    assert len(probabilities) == -(-len(recording) // FRAME)
    seconds = np.arange(len(probabilities)) * vad.FRAME_MS / 1000
    assert probabilities[(seconds > 26) & (seconds < 44)].max() < 0.2
    assert probabilities[seconds < 24].mean() > 0.3  # it is a poor voice
    assert probabilities[seconds > 46].mean() > 0.3


@pytest.mark.slow
@pytest.mark.parametrize("start", [1, 512 * 7, 16_000 * 13, 16_000 * 30 + 77])
def test_the_same_moment_has_the_same_probability_wherever_reading_began(recording: FloatArray, start: int) -> None:
    _, whole = vad.speech_probabilities(recording)
    first, part = vad.speech_probabilities(recording[start:], start)
    np.testing.assert_array_equal(part, whole[first:])
    assert first * FRAME <= start + vad.LEAD_SAMPLES


@pytest.mark.slow
def test_the_end_of_reading_changes_its_last_frame_alone(recording: FloatArray) -> None:
    _, whole = vad.speech_probabilities(recording)
    _, part = vad.speech_probabilities(recording[: 16_000 * 21 + 5])
    np.testing.assert_array_equal(part[:-1], whole[: len(part) - 1])


@pytest.mark.slow
def test_the_number_of_threads_changes_nothing(recording: FloatArray) -> None:
    found = []
    for threads in (1, 2):
        with ThreadpoolController().limit(limits=threads, user_api="blas"):
            found.append(vad.speech_probabilities(recording)[1])
    np.testing.assert_array_equal(found[0], found[1])


@pytest.mark.slow
def test_each_block_is_what_the_package_finds_frame_by_frame_after_the_warm_up(recording: FloatArray) -> None:
    _, fast = vad.speech_probabilities(recording)
    for block in (0, 3):
        first = max(block * vad.BLOCK - vad.WARM_UP, 0)
        slow = frame_by_frame(recording, first, (block + 1) * vad.BLOCK)[-vad.BLOCK :]
        np.testing.assert_allclose(fast[block * vad.BLOCK :][: vad.BLOCK], slow, atol=1e-4)


@pytest.mark.data
def test_blocks_decide_as_one_long_run_does_on_recorded_speech() -> None:
    try:
        recorded = clips(cache_folder())[:100]
    except DataUnavailable as error:
        pytest.skip(f"NO RECORDED DATA: {error}")
    joined = np.concatenate([audio.decode(clip.uri).samples for clip in recorded])
    _, fast = vad.speech_probabilities(joined)
    slow = frame_by_frame(joined, 0, len(fast))
    assert ((fast > 0.5) == (slow > 0.5)).mean() > 0.99


def frame_by_frame(samples: FloatArray, first: int, last: int) -> FloatArray:
    """Slow and plain: frames first..last, one call each, from a fresh state."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(vad._model_path().with_name("silero_vad.onnx")), options)
    padded = np.pad(samples, (64, FRAME))
    state, found = np.zeros((2, 1, 128), np.float32), []
    for number in range(first, last):
        seen = padded[None, number * FRAME : (number + 1) * FRAME + 64]
        answer, state = session.run(None, {"input": seen, "state": state, "sr": np.array(16_000, np.int64)})
        found.append(answer[0, 0])
    return np.array(found, np.float32)


def test_nothing_and_a_single_sample() -> None:
    assert len(vad.speech_probabilities(np.zeros(0, np.float32))[1]) == 0
    assert len(vad.speech_probabilities(np.zeros(1, np.float32))[1]) == 1


@pytest.mark.slow
def test_torch_is_not_needed() -> None:
    code = (
        "import sys, embed.segmentation.cut; from embed.segmentation import vad;"
        " vad.model_digest(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
