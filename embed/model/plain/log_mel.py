"""Log-mel frames of a wave, as in Whisper's training: the feature extractor of its checkpoints in plain torch."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from embed.encoder import SAMPLE_RATE, FloatArray
from embed.model.plain.checkpoint import read_json

KIND = "WhisperFeatureExtractor"
SIZES = {"feature_size": 80, "n_fft": 400, "hop_length": 160}
HIGHEST_HZ = 8000.0
# Slaney's scale: linear up to 1 kHz, where it reaches 15 mels, then 27 mels for each factor of 6.4.
LINEAR_HZ, LINEAR_MELS, STEP = 1000.0, 15.0, np.log(6.4) / 27.0


def plain_log_mel(folder: Path) -> "LogMel | None":
    """The feature extractor of a checkpoint's folder; None where it is not Whisper's, or not for 16 kHz."""
    values = read_json(folder / "preprocessor_config.json")
    if values is None or values.get("feature_extractor_type") != KIND:
        return None
    if values.get("sampling_rate", SAMPLE_RATE) != SAMPLE_RATE or values.get("dither", 0.0):
        return None
    return LogMel(**{name: int(values.get(name, size)) for name, size in SIZES.items()})


class LogMel:
    """Same call as the extractors of `transformers`, on one wave that is neither padded nor cut."""

    def __init__(self, feature_size: int = 80, n_fft: int = 400, hop_length: int = 160) -> None:
        self.feature_size = feature_size
        self.hop_length = hop_length
        self._window = torch.hann_window(n_fft)
        self._filters = torch.from_numpy(mel_filters(1 + n_fft // 2, feature_size)).to(torch.float32)

    def __call__(self, wave: FloatArray, **_: Any) -> dict[str, list[FloatArray]]:
        """`input_features`: one array float32 [mels, frames]."""
        samples = torch.from_numpy(np.asarray(wave, np.float32))[None]
        n_fft = len(self._window)
        spectrum = torch.stft(samples, n_fft, self.hop_length, window=self._window, return_complex=True)
        power = (spectrum[..., :-1].abs() ** 2).contiguous()
        mel = torch.clamp(self._filters.T @ power, min=1e-10).log10()
        mel = (torch.maximum(mel, mel.amax((1, 2), keepdim=True) - 8.0) + 4.0) / 4.0
        return {"input_features": [mel[0].numpy()]}


def mel_filters(bins: int, mels: int) -> NDArray[np.float64]:
    """Triangular filters [bins, mels] up to 8 kHz on Slaney's scale, each of the same energy."""
    edges = _hertz(np.linspace(_mel(0.0), _mel(HIGHEST_HZ), mels + 2))
    widths = np.diff(edges)
    slopes = edges[None, :] - np.linspace(0, SAMPLE_RATE // 2, bins)[:, None]
    filters = np.maximum(0.0, np.minimum(-slopes[:, :-2] / widths[:-1], slopes[:, 2:] / widths[1:]))
    filters *= (2.0 / (edges[2:] - edges[:mels]))[None, :]
    return filters


def _mel(hertz: float) -> float:
    if hertz < LINEAR_HZ:
        return 3.0 * hertz / 200.0
    return float(LINEAR_MELS + np.log(hertz / LINEAR_HZ) * (27.0 / np.log(6.4)))


def _hertz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    above = LINEAR_HZ * np.exp(STEP * (mels - LINEAR_MELS))
    return np.where(mels >= LINEAR_MELS, above, 200.0 * mels / 3.0)
