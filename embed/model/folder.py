"""Model folder, read without loading weights: its path by name, its spec, its fingerprints.

Planning and driving a job need only this: without torch they start seconds sooner and take 400 MB less.
Fingerprints are of the weights as stored, so they do not depend on dtype and device.
"""

import json
import re
from pathlib import Path
from typing import Any

from pydantic import Field

from embed.base_spec import Spec
from embed.encoder import Fingerprints
from embed.errors import SpecError
from embed.identity import digest
from embed.model.remote import fetched_model
from embed.model.spec import EncoderSpec
from embed.model.towers.digests import file_digest
from embed.model.towers.files import hub_folder, settings_digest, tower_digest
from embed.model.towers.one_tower import one_tower_spec
from embed.storage.store import local_path

RELEASED = Path(__file__).parent / "released"
SPEC, HYBRID, TRANSFORM, CARD, TEXT = "encoder.json", "hybrid.json", "transform.safetensors", "CARD.md", "text"
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
OWN_TEXT = f"./{TEXT}"  # the name of a text tower in the model's folder
FUSION, HEAD = "fusion.safetensors", "head.safetensors"
LORA_TEXT, LORA_SPEECH, LAYERS = "lora-text.safetensors", "lora-speech.safetensors", "speech.safetensors"


class HybridSpec(Spec):
    """Which model, which recogniser, and the weight of the transcript."""

    model: str = Field(description="A released model, or a folder relative to this one, e.g. `..`")
    asr: str = Field("packaged:whisper-base", description="A speech recogniser of `transformers`, by name")
    langs: tuple[str, ...] = Field((), description="Languages to recognise; all that it knows where empty")
    weight: float = Field(1.0, ge=0, description="Weight of the transcript's vector; the speech vector has 1")
    hypotheses: int = Field(
        1, ge=1, le=16, description="Number of likeliest transcripts of each wave, whose vectors are averaged"
    )


def model_folder(name: str) -> Path:
    """The folder of a released model (`demo`), of the user's own, of a url or a hub's.  SpecError if there is none."""
    for folder in (RELEASED / name, fetched_model(name, HYBRID) if local_path(name) is None else Path(name)):
        if _is_model(folder):
            return folder
    if is_hub_name(name) and _is_model(folder := hub_folder(name)):
        return folder
    found = (folder for depth in ("*", "*/*") for folder in RELEASED.glob(depth) if _is_model(folder))
    released = ", ".join(sorted(str(folder.relative_to(RELEASED)) for folder in found))
    raise SpecError(
        f"model {name!r} is neither a released one ({released or 'none'}) nor a folder or s3:// url with {SPEC}"
    )


def is_hub_name(name: str) -> bool:
    """Whether it has the form of a hub's `owner/model`, and no folder of the owner's name is here."""
    return _HUB_NAME.fullmatch(name) is not None and not Path(name).parent.exists()


def read_spec(name: str) -> EncoderSpec:
    """Only the spec of a model, with towers by names that can be loaded; for a hybrid, that of its model.

    For tasks that cut and do not encode: `embed.model.handle.resolve_model` reads the checkpoints too.
    """
    folder = model_folder(name)
    if is_hybrid(folder):
        return read_spec(inner_model(folder, read_hybrid(folder)))
    return with_own_text(spec_in(folder), folder)


def fingerprints_of(spec: EncoderSpec, folder: Path) -> Fingerprints:
    """`space` and `encoder` of the spec, of the weights in the folder and of the towers that it names."""
    spec = with_own_text(spec, folder)
    transform = file_digest(folder / TRANSFORM) if spec.transform else None
    text = spec.text.model_dump(mode="json", include={"pooling", "document", "max_tokens"})
    space = digest("space", text, tower_digest(spec.text.name), transform, list(spec.dims)).hex()
    if spec.speech is None:
        # Without a {task} in the query, the task changes nothing.
        task = [spec.text.task] if "{task}" in spec.text.query else []
        return Fingerprints(space, digest("encoder", space, spec.text.query, *task).hex())
    if spec.one_tower:
        extractor = settings_digest(spec.speech.name)
        return Fingerprints(space, digest("encoder", space, spec.text.query, spec.text.task, extractor).hex())
    speech = [list(spec.speech.layers or ()), tower_digest(spec.speech.name)]
    part = spec.fusion if spec.fusion is not None else spec.head
    assert part is not None  # the spec checks this
    first, *more = files_of(spec)
    trained: list[Any] = [[part.model_dump(mode="json"), file_digest(folder / first)]]
    trained += [[file, _scale(spec, file), file_digest(folder / file)] for file in more]
    return Fingerprints(space, digest("encoder", space, spec.text.query, spec.text.task, speech, *trained).hex())


def is_hybrid(folder: Path) -> bool:
    return (folder / HYBRID).is_file()


def read_hybrid(folder: Path) -> HybridSpec:
    """The contents of `hybrid.json`.  Raises SpecError."""
    path = folder / HYBRID
    try:
        return HybridSpec.parse(json.loads(path.read_text(encoding="utf-8")), origin=str(path))
    except OSError as error:
        raise SpecError(f"{path}: cannot be read ({error.strerror}); name the folder of a hybrid") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: not readable as JSON: {error}") from None


def inner_model(folder: Path, spec: HybridSpec) -> str:
    """The name, as `resolve_model` takes it, of the model of the hybrid in a folder."""
    name = spec.model
    place = (folder / name).resolve()
    if is_hybrid(place):
        raise SpecError(f"{folder / HYBRID}: model {name!r} is a hybrid itself; name that hybrid's model")
    return str(place) if place.is_dir() else name


def hybrid_fingerprints(folder: Path, spec: HybridSpec, inner: Fingerprints) -> Fingerprints:
    """The space of the model, and an encoder fingerprint of the hybrid."""
    recognition = [tower_digest(recogniser_of(folder, spec.asr)), list(spec.langs), spec.weight, spec.hypotheses]
    return Fingerprints(inner.space, digest("hybrid", inner.encoder, recognition).hex())


def recogniser_of(folder: Path, asr: str) -> str:
    """The name of a hybrid's recogniser; `./...` is a folder inside the hybrid's."""
    return str(folder / asr) if asr.startswith("./") else asr


def spec_in(folder: Path) -> EncoderSpec:
    """The spec as stored in the folder, or of the pretrained model that is there."""
    path = folder / SPEC
    if not path.is_file() and (spec := one_tower_spec(folder)):
        return spec
    try:
        return EncoderSpec.parse(json.loads(path.read_text(encoding="utf-8")), origin=str(path))
    except (ValueError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: not readable as JSON: {error}") from None


def with_own_text(spec: EncoderSpec, folder: Path) -> EncoderSpec:
    """The spec with the model's own text tower, if it has one, named by its folder."""
    if spec.text.name != OWN_TEXT:
        return spec
    return spec.model_copy(update={"text": spec.text.model_copy(update={"name": str(folder / TEXT)})})


def as_stored(spec: EncoderSpec, folder: Path) -> EncoderSpec:
    """The reverse of `with_own_text`: the spec with paths that stay valid when the folder is copied."""
    if spec.text.name != str(folder / TEXT):
        return spec
    return spec.model_copy(update={"text": spec.text.model_copy(update={"name": OWN_TEXT})})


def files_of(spec: EncoderSpec) -> list[str]:
    """Files with the trained weights of the speech side: first the fusion or head, then those of the towers."""
    if spec.speech is None:
        return []
    adapt = spec.adapt
    extra = {LORA_TEXT: adapt.text is not None, LORA_SPEECH: adapt.speech is not None, LAYERS: adapt.unfreeze > 0}
    return [FUSION if spec.fusion is not None else HEAD, *(file for file, exists in extra.items() if exists)]


def _is_model(folder: Path) -> bool:
    return (folder / SPEC).is_file() or is_hybrid(folder) or one_tower_spec(folder) is not None


def _scale(spec: EncoderSpec, file: str) -> float | int:
    """The setting that scales a file's weights: an adapter's alpha, the number of layers."""
    adapter = {LORA_TEXT: spec.adapt.text, LORA_SPEECH: spec.adapt.speech}.get(file)
    return adapter.alpha if adapter is not None else spec.adapt.unfreeze
