"""A model directory: `encoder.json` (the spec), what was trained as safetensors, the transform, `CARD.md`.

Towers are named in the spec, not kept, but for a text tower that was trained itself: that one lies in `text/`.
Nothing is unpickled, and no file is read that is not named here.  Fingerprints are of the weights as stored, so dtype
and device do not enter them.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from embed.encoder import Fingerprints
from embed.errors import InputError, SpecError
from embed.identity import digest
from embed.model.adapters import State, layers_state
from embed.model.hybrid import HybridEncoder, hybrid_fingerprints, inner_model, is_hybrid, load_hybrid
from embed.model.joint import JointEncoder
from embed.model.precision import Precision, settled
from embed.model.spec import EncoderSpec
from embed.model.speech_tower import SpeechTower
from embed.model.text_tower import TextTower
from embed.model.tower_files import file_digest, tower_digest

RELEASED = Path(__file__).parent / "released"
SPEC, TRANSFORM, CARD, TEXT = "encoder.json", "transform.safetensors", "CARD.md", "text"
OWN_TEXT = f"./{TEXT}"  # the name of a text tower that lies in the model's folder
FUSION, HEAD = "fusion.safetensors", "head.safetensors"
LORA_TEXT, LORA_SPEECH, LAYERS = "lora-text.safetensors", "lora-speech.safetensors", "speech.safetensors"
LARGEST_HALF = 65_504.0
# What a name may stand for.
Model = JointEncoder | HybridEncoder
WHOLE = "copy the model's folder again, whole, or train it again"


def model_folder(name: str) -> Path:
    """The folder of a released model (`demo`) or of the user's own.  SpecError where there is none."""
    for folder in (RELEASED / name, Path(name)):
        if _is_model(folder):
            return folder
    found = (folder for depth in ("*", "*/*") for folder in RELEASED.glob(depth) if _is_model(folder))
    released = ", ".join(sorted(str(folder.relative_to(RELEASED)) for folder in found))
    raise SpecError(f"model {name!r} is neither a released one ({released or 'none'}) nor a folder with {SPEC}")


def lasting_name(name: str) -> str:
    """A released model's name, else the folder's absolute path: good from any working directory of this machine."""
    return name if _is_model(RELEASED / name) else str(model_folder(name).absolute())


def read_spec(name: str) -> EncoderSpec:
    """The spec of a model, without loading it, its towers named so that they are found; a hybrid's is its model's."""
    folder = model_folder(name)
    return read_spec(inner_model(folder)) if is_hybrid(folder) else _grounded(_spec_in(folder), folder)


def load_model(name: str, device: str = "cpu", precision: Precision = "float32") -> Model:
    """A released model or a folder's, ready to encode and for nothing else, as fast as the device allows.

    `precision` is of the towers: `bfloat16`, or `auto` for that where the hardware has it; `.precision` of what comes
    says which it became.  Raises SpecError or InputError, naming the file and the cure.
    """
    folder = model_folder(name)
    return load_hybrid(folder, device, precision) if is_hybrid(folder) else load_joint(name, device, precision)


def load_joint(name: str, device: str = "cpu", precision: Precision = "float32") -> JointEncoder:
    """As `load_model`, for whoever wants a model's insides.  SpecError for a hybrid."""
    folder = model_folder(name)
    if is_hybrid(folder):
        raise SpecError(f"model {name!r} is a hybrid; name the model that it goes with: {inner_model(folder)}")
    spec = _spec_in(folder)
    model = _with_towers(spec, folder, fingerprints_of(spec, folder))
    for file, places in _places(model).items():
        _fill(places, folder / file)
    adapters = [_read(folder / file) if file in _files_of(spec) else {} for file in (LORA_TEXT, LORA_SPEECH)]
    try:
        model.merge_adapters(adapters[0], adapters[1])
    except InputError as error:
        raise InputError(f"{folder}: the adapters are not those that {SPEC} describes: {error}; {WHOLE}") from None
    return model.to(device).for_inference(settled(precision, device))


def assemble(spec: EncoderSpec, fingerprints: Fingerprints | None = None) -> JointEncoder:
    """The towers by name, with all that is still to be trained or filled."""
    return _with_towers(spec, Path(), fingerprints).open_adapters()


def save_model(model: JointEncoder, folder: Path, card: str, *, own_text: bool = False) -> None:
    """Write the directory; what was trained of speech as float16 (vectors of weights as float32), the rest as float32.

    `own_text` keeps the text tower too, for one that was trained.  The spec comes last: without it a folder is no
    model.  SpecError for a loaded model whose adapters are merged: its folder is to be copied.
    """
    own_text = own_text or model.spec.text.name == OWN_TEXT
    merged = model.spec.adapt.text is not None or model.spec.adapt.speech is not None or own_text
    if model.settled and merged:
        raise SpecError("this model was loaded to encode and cannot be saved again; copy its folder")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SPEC).unlink(missing_ok=True)
    text, speech = model.adapter_states()
    states = _places(model) | {LORA_TEXT: text, LORA_SPEECH: speech}
    for file in (FUSION, HEAD, TRANSFORM, LORA_TEXT, LORA_SPEECH, LAYERS):
        (folder / file).unlink(missing_ok=True)  # of a model that was here before
        if states.get(file):
            kept = {name: _stored(value, exact=file == TRANSFORM) for name, value in states[file].items()}
            save_file(kept, folder / file)
    spec = model.spec
    if own_text:
        model.text.model.save_pretrained(folder / TEXT)
        model.text.tokenizer.save_pretrained(folder / TEXT)
        spec = spec.model_copy(update={"text": spec.text.model_copy(update={"name": OWN_TEXT})})
    (folder / CARD).write_text(card, encoding="utf-8")
    (folder / SPEC).write_text(json.dumps(spec.model_dump(mode="json"), indent=1) + "\n", encoding="utf-8")


def fingerprints_of(spec: EncoderSpec, folder: Path) -> Fingerprints:
    """`space` and `encoder` of the spec with the weights in the folder and those of the towers it names.

    Of a hybrid's folder: its own, whatever the spec.
    """
    if is_hybrid(folder):
        inner = inner_model(folder)
        return hybrid_fingerprints(folder, fingerprints_of(read_spec(inner), model_folder(inner)))
    spec = _grounded(spec, folder)
    transform = file_digest(folder / TRANSFORM) if spec.transform else None
    text = spec.text.model_dump(mode="json", include={"pooling", "document", "max_tokens"})
    space = digest("space", text, tower_digest(spec.text.name), transform, list(spec.dims)).hex()
    if spec.speech is None:
        # Where a query has no place for it, the task changes nothing.
        task = [spec.text.task] if "{task}" in spec.text.query else []
        return Fingerprints(space, digest("encoder", space, spec.text.query, *task).hex())
    speech = [list(spec.speech.layers or ()), tower_digest(spec.speech.name)]
    part = spec.fusion if spec.fusion is not None else spec.head
    assert part is not None  # the spec sees to it
    first, *more = _files_of(spec)
    trained: list[Any] = [[part.model_dump(mode="json"), file_digest(folder / first)]]
    trained += [[file, _scale(spec, file), file_digest(folder / file)] for file in more]
    return Fingerprints(space, digest("encoder", space, spec.text.query, spec.text.task, speech, *trained).hex())


def _is_model(folder: Path) -> bool:
    return (folder / SPEC).is_file() or is_hybrid(folder)


def _spec_in(folder: Path) -> EncoderSpec:
    """As it stands in the folder."""
    path = folder / SPEC
    try:
        return EncoderSpec.parse(json.loads(path.read_text(encoding="utf-8")), origin=str(path))
    except (ValueError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: not readable as JSON: {error}") from None


def _grounded(spec: EncoderSpec, folder: Path) -> EncoderSpec:
    """A text tower of the model's own named by its folder."""
    if spec.text.name != OWN_TEXT:
        return spec
    return spec.model_copy(update={"text": spec.text.model_copy(update={"name": str(folder / TEXT)})})


def _with_towers(spec: EncoderSpec, folder: Path, fingerprints: Fingerprints | None) -> JointEncoder:
    speech = SpeechTower.load(spec.speech) if spec.speech else None
    return JointEncoder(spec, TextTower.load(_grounded(spec, folder).text), speech, fingerprints)


def _files_of(spec: EncoderSpec) -> list[str]:
    """Where a spec's speech side keeps what was trained: first the fusion or head, then what there is of the towers."""
    if spec.speech is None:
        return []
    adapt = spec.adapt
    extra = {LORA_TEXT: adapt.text is not None, LORA_SPEECH: adapt.speech is not None, LAYERS: adapt.unfreeze > 0}
    return [FUSION if spec.fusion is not None else HEAD, *(file for file, there in extra.items() if there)]


def _scale(spec: EncoderSpec, file: str) -> float | int:
    """What decides beside a file's weights how they count: an adapter's alpha, the number of layers."""
    adapter = {LORA_TEXT: spec.adapt.text, LORA_SPEECH: spec.adapt.speech}.get(file)
    return adapter.alpha if adapter is not None else spec.adapt.unfreeze


def _places(model: JointEncoder) -> dict[str, State]:
    """The model's own tensors by file, but for adapters; what is written there is in the model."""
    modules = {FUSION: model.fusion, HEAD: model.head, TRANSFORM: model.transform}
    places: dict[str, State] = {file: module.state_dict() for file, module in modules.items() if module is not None}
    if model.fusion is not None:
        places[FUSION].update({f"others.{name}": value for name, value in model.others.state_dict().items()})
    if model.speech is not None and model.spec.adapt.unfreeze:
        places[LAYERS] = layers_state(model.speech.model, model.spec.adapt.unfreeze, model.speech.depth)
    return places


def _stored(value: Tensor, exact: bool) -> Tensor:
    """Norms, biases and what standardises are few and may be tiny: they stay float32."""
    value = value.detach().float().cpu()
    halved = not exact and value.dim() > 1 and float(value.abs().max()) <= LARGEST_HALF
    return (value.half() if halved else value).contiguous()


def _read(path: Path) -> State:
    try:
        values = {name: value.to(torch.float32) for name, value in load_file(path).items()}
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); {WHOLE}") from None
    except SafetensorError as error:
        raise InputError(f"{path}: damaged, no safetensors file ({error}); {WHOLE}") from None
    broken = [name for name, value in values.items() if not torch.isfinite(value).all()]
    if broken:
        raise InputError(f"{path}: {broken[0]} holds values that are no numbers; {WHOLE}")
    return values


def _fill(places: State, path: Path) -> None:
    """Write a file's tensors where they belong.  InputError where names or shapes differ."""
    values = _read(path)
    for name in sorted(places.keys() | values.keys()):
        wanted, found = (tuple(one[name].shape) if name in one else None for one in (places, values))
        if wanted != found:
            raise InputError(
                f"{path}: not the weights that {SPEC} describes ({name} is {found}, should be {wanted}); {WHOLE}"
            )
        places[name].copy_(values[name])
