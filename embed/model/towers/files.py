"""A tower's files: where they are, that nothing of them is unpickled or run, and the digest of what they hold.

Weights are read from safetensors alone.  An adapter's configuration would send `transformers` to another folder, so
a tower that has one is refused.
"""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from embed.errors import InputError, SpecError
from embed.identity import digest, file_sha256
from embed.model.packaged.resolve import resolve

# For every `from_pretrained` of weights: no pickles, no code that comes along.
SAFELY: dict[str, Any] = {"use_safetensors": True, "trust_remote_code": False}
ADAPTER = "adapter_config.json"
# What defines a tower's vectors, of the files that a checkpoint holds.
TOWER_FILES = ("*.safetensors", "tokenizer.json", "vocab.json", "merges.txt", "sentencepiece.bpe.model")
# Config keys that say how a file was written, not what it computes.
CONFIG_NOISE = {"transformers_version", "_name_or_path", "torch_dtype", "dtype"}
# Weights that checkpoints leave out and no vector depends on.
NEVER_USED = {"masked_spec_embed"}


def tower_place(name: str) -> str:
    """What `from_pretrained` takes for a tower's name.  SpecError for a folder that holds an adapter."""
    place = str(resolve(name))
    if (Path(place) / ADAPTER).exists():
        raise SpecError(f"{place}: holds an adapter ({ADAPTER}), not a tower; merge it with peft and save the result")
    return place


def all_there(name: str, found: Any, info: Any) -> Any:
    """The model, of what `from_pretrained` returned with its loading info; SpecError where weights were made up."""
    missing = sorted({key for key in info["missing_keys"] if key.split(".")[-1] not in NEVER_USED})
    if missing:
        raise SpecError(
            f"tower {name!r} lacks {len(missing)} of its weights, {missing[0]} among them; copy its folder again, whole"
        )
    return found


def why_not(error: Exception) -> str:
    """The first line of what a loader raised, and the cure where pickled weights are all there is."""
    line = (str(error).strip() or type(error).__name__).splitlines()[0].removesuffix(".")
    pickled = "safetensors" in line and "named" in line
    return f"{line}; pickled weights are not read: save them as safetensors once" if pickled else line


def tower_digest(name: str) -> str:
    """Of a tower's weights, tokenizer and configuration, as the files on this disk."""
    from transformers.utils import cached_file  # half a second: for who asks

    config = cached_file(str(resolve(name)), "config.json")
    if config is None:
        raise SpecError(f"tower {name!r} has no config.json")
    folder = Path(config).parent
    values = json.loads(Path(config).read_text(encoding="utf-8"))
    kept = {key: value for key, value in values.items() if key not in CONFIG_NOISE}
    files = sorted({path for pattern in TOWER_FILES for path in folder.glob(pattern)})
    return digest("tower", kept, [[path.name, file_digest(path)] for path in files]).hex()


def file_digest(path: Path) -> str:
    """SHA-256 of a file.  Raises InputError where it cannot be read."""
    try:
        found = path.stat()
        return _digest_of(path, found.st_size, found.st_mtime_ns, found.st_ino)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); copy the model's folder again, whole") from None


@lru_cache(maxsize=1024)
def _digest_of(path: Path, *_: int) -> str:
    """Kept while the file is the one that was read: towers are gigabytes, and are asked for again and again."""
    return file_sha256(path)
