"""A tower's files: where they are, that nothing of them is unpickled or run, and the digest of what they hold.

Weights are read from safetensors alone.  An adapter's configuration would send `transformers` to another folder, so
a tower that has one is refused.
"""

import json
from pathlib import Path
from typing import Any

from embed.errors import SpecError
from embed.identity import digest
from embed.model.packaged.resolve import resolve
from embed.model.towers.digests import file_digest

# For every `from_pretrained` of weights: no pickles, no code that comes along.
SAFELY: dict[str, Any] = {"use_safetensors": True, "trust_remote_code": False}
CONFIG = "config.json"
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
    config = _config_of(name)
    values = json.loads(config.read_text(encoding="utf-8"))
    kept = {key: value for key, value in values.items() if key not in CONFIG_NOISE}
    files = sorted({path for pattern in TOWER_FILES for path in config.parent.glob(pattern)})
    return digest("tower", kept, [[path.name, file_digest(path)] for path in files]).hex()


def _config_of(name: str) -> Path:
    """The tower's config.json; a tower that is no folder here is asked of the hub's cache, or of the hub."""
    folder = Path(resolve(name))
    if (folder / CONFIG).is_file():
        return folder / CONFIG
    from transformers.utils import cached_file  # seconds: for who asks

    config = cached_file(str(folder), CONFIG)
    if config is None:
        raise SpecError(f"tower {name!r} has no {CONFIG}")
    return Path(config)
