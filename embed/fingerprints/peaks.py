"""Fingerprint of sound: its spectral peaks, which survive other codecs, levels, sampling rates and added speech.

- Only 250 to 3,700 Hz: what telephone lines and 8 kHz files keep.
- A peak is the largest value of its neighbourhood in time and pitch, whatever its level: a jingle under speech keeps
  those between the words.
- Time is counted in frames of 16 ms from the start of the recording, so that units of one recording agree.
- Pitch is a logarithm: another speed moves all pitches by the same amount.

Patents on landmarks of spectral peaks: US 6,990,453 and US 7,627,477 (filed 2001 and 2002); check them where you are.
No library: pyacoustid needs Chromaprint's C library and compares whole songs; audfprint2 keeps 20 bits, all in memory.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import soxr
from numpy.typing import NDArray

from embed.encoder import SAMPLE_RATE, FloatArray

RATE = SAMPLE_RATE // 2
FRAME = 128  # samples between frames, at RATE
WINDOW = 512
FRAMES_PER_S = RATE / FRAME
OCTAVE = 1024  # steps of pitch
LOWEST_HZ, HIGHEST_HZ = 250.0, 3_700.0
NEAR_FRAMES, NEAR_BINS = 5, 9
FLOOR = 1e-4  # of the loudest peak within SPAN frames
SILENCE = 5e-4  # magnitude of a window; a sine of amplitude 4e-6
SPAN = 128
AT_ONCE = 4096  # frames

Ints = NDArray[np.int32]


@dataclass(frozen=True)
class Peaks:
    """Peaks in order of time, then of pitch."""

    frame: Ints
    pitch: Ints  # in 1/1024 octave above LOWEST_HZ

    def __len__(self) -> int:
        return len(self.frame)

    def packed(self) -> bytes:
        """All values as bytes, for `unpacked`."""
        return np.stack([self.frame, self.pitch]).astype("<i4").tobytes()

    @classmethod
    def unpacked(cls, data: bytes) -> Self:
        frame, pitch = np.frombuffer(data, "<i4").reshape(2, -1)
        return cls(frame, pitch)

    def between(self, first: int, end: int) -> Self:
        """Those of the frames [first, end)."""
        low, high = np.searchsorted(self.frame, [first, end])
        return type(self)(self.frame[low:high], self.pitch[low:high])


def peaks_of(samples: FloatArray, first: int = 0) -> Peaks:
    """Peaks of a recording's samples, 16 kHz mono, whose first sample has the number `first` in the recording."""
    skip = -first % (2 * FRAME)
    number = (first + skip) // (2 * FRAME)
    samples = soxr.resample(samples[skip:], SAMPLE_RATE, RATE, quality="LQ")
    num = 1 + (len(samples) - WINDOW) // FRAME if len(samples) >= WINDOW else 0
    frames, pitches = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)]
    overlap = max(SPAN, NEAR_FRAMES)
    for begin in range(0, num, AT_ONCE):
        low, high = max(begin - overlap, 0), min(begin + AT_ONCE + overlap, num)
        frame, pitch = _peaks(samples[low * FRAME : (high - 1) * FRAME + WINDOW])
        mine = (frame + low >= begin) & (frame + low < begin + AT_ONCE)
        frames.append((frame[mine] + low + number).astype(np.int32))
        pitches.append(pitch[mine])
    return Peaks(np.concatenate(frames), np.concatenate(pitches))


_HANN = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
_LOW = int(LOWEST_HZ * WINDOW / RATE)
_HIGH = int(HIGHEST_HZ * WINDOW / RATE) + 1


def _peaks(samples: FloatArray) -> tuple[Ints, Ints]:
    windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::FRAME]
    spectrum = np.abs(np.fft.rfft(windows * _HANN, axis=1)[:, _LOW - 1 : _HIGH + 1]).astype(np.float32)
    inner = spectrum[:, 1:-1]
    around = _running_max(_running_max(inner, NEAR_BINS, 1), NEAR_FRAMES, 0)
    loudest = _running_max(inner.max(axis=1, keepdims=True), SPAN, 0)
    frame, column = np.nonzero((inner == around) & (inner > FLOOR * loudest) & (inner > SILENCE))
    below, here, above = (np.log(spectrum[frame, column + step] + 1e-12) for step in (0, 1, 2))
    bend = below - 2 * here + above
    shift = np.where(bend < 0, 0.5 * (below - above) / np.where(bend < 0, bend, -1), 0)
    bin_ = column + _LOW + np.clip(shift, -0.5, 0.5)
    pitch = np.round(OCTAVE * np.log2(bin_ / _LOW)).astype(np.int32)
    return frame.astype(np.int32), np.maximum(pitch, 0)


def _running_max(values: FloatArray, reach: int, axis: int) -> FloatArray:
    """The largest value within `reach` steps on both sides."""
    width = [(0, 0), (0, 0)]
    width[axis] = (reach, reach)
    padded = np.pad(values, width, constant_values=-1)
    done, size = 1, 2 * reach + 1
    while done < size:  # each pass doubles the window
        step = min(done, size - done)
        upper = padded[step:] if axis == 0 else padded[:, step:]
        lower = padded[:-step] if axis == 0 else padded[:, :-step]
        padded = np.maximum(lower, upper)
        done += step
    return padded
