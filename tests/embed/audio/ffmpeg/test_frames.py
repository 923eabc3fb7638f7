"""Runs of frames: converted together they have the samples of each alone, also where their kind changes."""

import av
import numpy as np

from embed.audio.ffmpeg.frames import Frames, Run
from embed.audio.stream import frames_of
from embed.encoder import FloatArray

RATE = 16_000
KINDS = [("fltp", "stereo"), ("fltp", "mono"), ("s16", "mono"), ("s16p", "stereo"), ("fltp", "5.1"), ("flt", "stereo")]


def frame(form: str, layout: str, number: int) -> av.AudioFrame:
    planes, values = av.AudioFormat(form).is_planar, av.AudioLayout(layout).nb_channels
    shape = (values, 100) if planes else (1, 100 * values)
    sound = np.random.default_rng(number).uniform(-1, 1, shape)
    made = sound.astype(np.float32) if "flt" in form else (30_000 * sound).astype(np.int16)
    found = av.AudioFrame.from_ndarray(made, format=form, layout=layout)
    found.sample_rate = RATE
    return found


def test_frames_in_a_run_have_the_samples_of_each_alone() -> None:
    kinds = [kind for kind in KINDS for _ in range(3)]
    alone = [frames_of(part) for number, kind in enumerate(kinds) for part in Frames(RATE)(frame(*kind, number))]
    run, found = Run(RATE, RATE), list[tuple[int, FloatArray]]()
    for number, kind in enumerate(kinds):
        found += run.add(100 * number, frame(*kind, number))
    found += run.taken()
    assert [(place, len(samples)) for place, samples in found] == [(300 * i, 300) for i in range(len(KINDS))]
    for i, (_, samples) in enumerate(found):
        np.testing.assert_array_equal(samples, np.concatenate(alone[3 * i : 3 * i + 3]))
