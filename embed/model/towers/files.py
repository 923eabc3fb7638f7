"""Files of a tower: their folder, their digest, and loading without pickles or foreign code.

Weights are read only from safetensors.  An adapter's configuration would direct `transformers` to another folder, so
a tower with one is refused.
"""

import json
from pathlib import Path
from typing import Any

from embed.errors import SpecError
from embed.identity import digest
from embed.model.packaged.resolve import resolve
from embed.model.towers.digests import file_digest

# For every `from_pretrained` of weights: no pickles, no code from the checkpoint.
SAFELY: dict[str, Any] = {"use_safetensors": True, "trust_remote_code": False}
CONFIG = "config.json"
ADAPTER = "adapter_config.json"
# Files of a checkpoint that define a tower's vectors.
TOWER_FILES = ("*.safetensors", "tokenizer.json", "vocab.json", "merges.txt", "sentencepiece.bpe.model")
# Files that define how sound becomes features.
EXTRACTOR_FILES = ("preprocessor_config.json", "processor_config.json")
# Config keys about how a file was written, not about its results.
CONFIG_NOISE = {"transformers_version", "_name_or_path", "torch_dtype", "dtype"}
# Weights that checkpoints leave out and that change no vector.
NEVER_USED = {"masked_spec_embed"}


def tower_place(name: str) -> str:
    """The argument of `from_pretrained` for a tower's name.  SpecError for a folder with an adapter."""
    place = str(resolve(name))
    if (Path(place) / ADAPTER).exists():
        raise SpecError(f"{place}: has an adapter ({ADAPTER}), is not a tower; merge it with peft and save the result")
    return place


def complete_model(name: str, found: Any, info: Any) -> Any:
    """The model that `from_pretrained` returned; SpecError where its loading info lists missing weights."""
    missing = sorted({key for key in info["missing_keys"] if key.split(".")[-1] not in NEVER_USED})
    if missing:
        raise SpecError(
            f"tower {name!r} lacks {len(missing)} of its weights, e.g. {missing[0]}; copy its complete folder again"
        )
    return found


def load_problem(error: Exception) -> str:
    """The first line of a loader's error, with the cure where the weights are only pickled."""
    line = (str(error).strip() or type(error).__name__).splitlines()[0].removesuffix(".")
    pickled = "safetensors" in line and "named" in line
    return f"{line}; pickled weights are not read: save them as safetensors once" if pickled else line


def tower_digest(name: str) -> str:
    """Digest of a tower's weights, tokenizer and configuration, from the files on this disk."""
    config = _config_of(name)
    values = json.loads(config.read_text(encoding="utf-8"))
    kept = {key: value for key, value in values.items() if key not in CONFIG_NOISE}
    files = sorted({path for pattern in TOWER_FILES for path in config.parent.glob(pattern)})
    return digest("tower", kept, [[path.name, file_digest(path)] for path in files]).hex()


def settings_digest(name: str) -> str:
    """Digest of how a tower's sound is prepared, from the files on this disk."""
    files = [_config_of(name).parent / file for file in EXTRACTOR_FILES]
    return digest("extractor", [[path.name, file_digest(path)] for path in files if path.is_file()]).hex()


def hub_folder(name: str) -> Path:
    """The folder of a hub's model in its cache, with all that is read of it.  SpecError where it cannot be had."""
    from huggingface_hub import snapshot_download  # takes seconds to import
    from huggingface_hub.errors import HFValidationError

    try:
        # Everything at once: a digest of what happens to be in the cache would change with the next file.
        return Path(snapshot_download(name, allow_patterns=[*TOWER_FILES, "*.json", "tokenizer.model"]))
    except (OSError, HFValidationError) as error:
        raise SpecError(f"tower {name!r} is no folder, and the hub does not give it: {load_problem(error)}") from None


def _config_of(name: str) -> Path:
    """The tower's config.json; for a tower that is no folder here, from the hub's cache or from the hub."""
    folder = Path(resolve(name))
    config = (folder if folder.is_dir() else hub_folder(str(folder))) / CONFIG
    if not config.is_file():
        raise SpecError(f"tower {name!r} has no {CONFIG}")
    return config
