"""A model directory: `encoder.json` (the spec), `fusion.safetensors`, `transform.safetensors`, `CARD.md`.

The towers are named in the spec, not kept.  Nothing is unpickled.  Fingerprints are of the weights as stored, so
dtype and device do not enter them.
"""

import hashlib
import json
from functools import lru_cache
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from transformers.utils import cached_file

from embed.encoder import Fingerprints
from embed.errors import InputError, SpecError
from embed.identity import digest
from embed.model.joint import JointEncoder
from embed.model.packaged import resolve
from embed.model.precision import Precision, settled
from embed.model.spec import EncoderSpec
from embed.model.speech_tower import SpeechTower
from embed.model.text_tower import TextTower

RELEASED = Path(__file__).parent / "released"
SPEC, FUSION, TRANSFORM, CARD = "encoder.json", "fusion.safetensors", "transform.safetensors", "CARD.md"
# What defines a tower's vectors, of the files that a checkpoint holds.
TOWER_FILES = ("*.safetensors", "tokenizer.json", "vocab.json", "merges.txt", "sentencepiece.bpe.model")
# Config keys that say how a file was written, not what it computes.
CONFIG_NOISE = {"transformers_version", "_name_or_path", "torch_dtype", "dtype"}


def model_folder(name: str) -> Path:
    """The folder of a released model (`demo`) or of the user's own.  SpecError where there is none."""
    for folder in (RELEASED / name, Path(name)):
        if (folder / SPEC).is_file():
            return folder
    released = (
        ", ".join(sorted(p.name for p in RELEASED.iterdir() if (p / SPEC).is_file())) if RELEASED.is_dir() else ""
    )
    raise SpecError(f"model {name!r} is neither a released one ({released or 'none'}) nor a folder with {SPEC}")


def lasting_name(name: str) -> str:
    """A released model's name, else the folder's absolute path: good from any working directory of this machine."""
    return name if (RELEASED / name / SPEC).is_file() else str(model_folder(name).absolute())


def read_spec(name: str) -> EncoderSpec:
    """The spec of a model, without loading it."""
    path = model_folder(name) / SPEC
    try:
        return EncoderSpec.parse(json.loads(path.read_text(encoding="utf-8")), origin=str(path))
    except (ValueError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: not readable as JSON: {error}") from None


def load_model(name: str, device: str = "cpu", precision: Precision = "float32") -> JointEncoder:
    """A released model or a folder's, ready to encode and for nothing else, as fast as the device allows.

    `precision` is of the towers: `bfloat16`, or `auto` for that where the hardware has it; `JointEncoder.precision`
    says which it became.
    """
    folder = model_folder(name)
    spec = read_spec(name)
    model = assemble(spec, fingerprints_of(spec, folder))
    if model.fusion is not None:
        _fill(model.fusion, folder / FUSION)
    if model.transform is not None:
        _fill(model.transform, folder / TRANSFORM)
    return model.to(device).for_inference(settled(precision, device))


def assemble(spec: EncoderSpec, fingerprints: Fingerprints | None = None) -> JointEncoder:
    """The towers by name, with a fusion and transform that are still to be trained or filled."""
    speech = SpeechTower.load(spec.speech) if spec.speech else None
    return JointEncoder(spec, TextTower.load(spec.text), speech, fingerprints)


def save_model(model: JointEncoder, folder: Path, card: str) -> None:
    """Write the directory; trained weights as float16, the transform as float32."""
    folder.mkdir(parents=True, exist_ok=True)
    if model.fusion is not None:
        halves = {name: value.detach().half().contiguous().cpu() for name, value in model.fusion.state_dict().items()}
        save_file(halves, folder / FUSION)
    if model.transform is not None:
        save_file(
            {name: value.contiguous().cpu() for name, value in model.transform.state_dict().items()}, folder / TRANSFORM
        )
    (folder / SPEC).write_text(json.dumps(model.spec.model_dump(mode="json"), indent=1) + "\n", encoding="utf-8")
    (folder / CARD).write_text(card, encoding="utf-8")


def fingerprints_of(spec: EncoderSpec, folder: Path) -> Fingerprints:
    """`space` and `encoder` of the spec with the weights in the folder and those of the towers it names."""
    transform = _file_digest(folder / TRANSFORM) if spec.transform else None
    text = spec.text.model_dump(mode="json", include={"pooling", "document", "max_tokens"})
    space = digest("space", text, tower_digest(spec.text.name), transform, list(spec.dims)).hex()
    if spec.speech is None or spec.fusion is None:
        return Fingerprints(space, digest("encoder", space, spec.text.query).hex())
    speech = [list(spec.speech.layers or ()), tower_digest(spec.speech.name)]
    fusion = [spec.fusion.model_dump(mode="json"), _file_digest(folder / FUSION)]
    return Fingerprints(space, digest("encoder", space, spec.text.query, spec.text.task, speech, fusion).hex())


@lru_cache
def tower_digest(name: str) -> str:
    """Of a tower's weights, tokenizer and configuration, as the files on this disk."""
    place = str(resolve(name))
    config = cached_file(place, "config.json")
    if config is None:
        raise SpecError(f"tower {name!r} has no config.json")
    folder = Path(config).parent
    values = json.loads(Path(config).read_text(encoding="utf-8"))
    kept = {key: value for key, value in values.items() if key not in CONFIG_NOISE}
    files = sorted({path for pattern in TOWER_FILES for path in folder.glob(pattern)})
    return digest("tower", kept, [[path.name, _file_digest(path)] for path in files]).hex()


def _file_digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); the model directory is not whole") from None


def _fill(module: nn.Module, path: Path) -> None:
    try:
        values = {name: value.to(torch.float32) for name, value in load_file(path).items()}
        module.load_state_dict(values)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise InputError(f"{path}: not the weights that {SPEC} describes: {str(error).splitlines()[0]}") from None
