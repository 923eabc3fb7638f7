"""Weights of a model directory: `encoder.json` (the spec), trained weights as safetensors, the transform, `CARD.md`.

Towers are named in the spec, not stored, except a text tower that was trained itself: it is in `text/`.
Nothing is unpickled, and only files that `embed.model.folder` names are read.
"""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from embed.encoder import Fingerprints
from embed.errors import InputError, SpecError
from embed.model.adapters import State, layers_state
from embed.model.folder import (
    CARD,
    FUSION,
    HEAD,
    HYBRID,
    LAYERS,
    LORA_SPEECH,
    LORA_TEXT,
    OWN_TEXT,
    SPEC,
    TEXT,
    TRANSFORM,
    as_stored,
    files_of,
    recogniser_of,
)
from embed.model.handle import ModelHandle, resolve_model
from embed.model.hybrid import HybridEncoder
from embed.model.joint import JointEncoder
from embed.model.spec import AdaptSpec, EncoderSpec, Precision
from embed.model.towers.precision import effective_precision
from embed.model.towers.speech import SpeechTower
from embed.model.towers.speech_side import Marks, SpeechSide
from embed.model.towers.text import TextTower

LARGEST_HALF = 65_504.0
# Any encoder that a name may load.
Model = JointEncoder | HybridEncoder
CURE = "copy the complete model folder again, or train the model again"


def load_encoder(name: str, device: str = "cpu", precision: Precision = "float32") -> Model:
    """A released model (`demo`) or the model in a folder, by name, ready to encode speech and text.

    device     a torch device: cpu, cuda, cuda:1
    precision  of the towers: float32, bfloat16, or auto for bfloat16 where the hardware has it

    Raises SpecError or InputError, naming the file and the cure.

    >>> import deglu
    >>> encoder = deglu.load_encoder("model")
    >>> encoder.encode(["the price of rice"], role="query").shape
    (1, 32)
    """
    return load_model(resolve_model(name), device, precision)


def load_model(
    handle: ModelHandle,
    device: str = "cpu",
    precision: Precision = "float32",
    *,
    speech: bool = True,
    compiled: bool = False,
) -> Model:
    """A resolved model, ready to encode only, as fast as the device allows.

    `precision` is that of the towers: `float32`, `bfloat16`, or `auto` for bfloat16 where the hardware has it; the
    result's `.precision` is the one in use.  Without `speech` it encodes only texts, with the same vectors, and the
    speech tower, the fusion and the recogniser are not loaded.  `compiled` towers are faster on a GPU after their first
    pass, a hybrid's recogniser excepted, with vectors that differ by rounding.  Raises SpecError or InputError, naming
    file and cure.
    """
    if handle.inner is None or not speech:
        joint = _joint(handle, device, precision, speech)
        return joint.compile_towers() if compiled else joint
    hybrid = load_hybrid(handle, device, precision)
    if compiled:
        hybrid.model.compile_towers()
    return hybrid


def load_joint(handle: ModelHandle, device: str = "cpu", precision: Precision = "float32") -> JointEncoder:
    """The same model as `load_model`, open to training and inspection.  SpecError for a hybrid."""
    if handle.inner is not None:
        raise SpecError(f"model {handle.name!r} is a hybrid; name its model: {handle.inner.name}")
    return _joint(handle, device, precision, speech=True)


def load_hybrid(handle: ModelHandle, device: str = "cpu", precision: Precision = "float32") -> HybridEncoder:
    """Model and recogniser, both on `device` and in `precision`.  Raises SpecError, InputError."""
    from embed.model.recognition.recogniser import Recogniser  # transformers takes seconds to import

    spec, inner = handle.hybrid, handle.inner
    if spec is None or inner is None:
        raise SpecError(f"model {handle.name!r} is not a hybrid; name a folder with {HYBRID}")
    if not inner.speaks:
        raise SpecError(
            f"{handle.folder / HYBRID}: model {spec.model!r} encodes text alone; name one with a speech tower"
        )
    model = load_joint(inner, device, precision)
    recogniser = Recogniser.load(recogniser_of(handle.folder, spec.asr), spec.langs, device, precision)
    return HybridEncoder(model, recogniser, spec.weight, spec.hypotheses, handle.fingerprints)


def assemble(spec: EncoderSpec, fingerprints: Fingerprints | None = None) -> JointEncoder:
    """A model of the towers by name, with parts that are not trained or filled yet."""
    return _with_towers(spec, fingerprints).open_adapters()


def save_model(model: JointEncoder, folder: Path, card: str, *, own_text: bool = False) -> None:
    """Write the directory; trained weights of speech as float16 (1-d weights as float32), the rest as float32.

    `own_text` stores the text tower too, if it was trained.  The spec is written last: without it a folder is no
    model.  SpecError for a loaded model whose adapters are merged: copy its folder instead.
    """
    own_text = own_text or model.spec.text.name == OWN_TEXT
    merged = model.spec.adapt.text is not None or model.spec.adapt.speech is not None or own_text
    if model.inference_only and merged:
        raise SpecError("this model was loaded to encode and cannot be saved again; copy its folder")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SPEC).unlink(missing_ok=True)
    text, speech = model.adapter_states()
    states = _places(model) | {LORA_TEXT: text, LORA_SPEECH: speech}
    for file in (FUSION, HEAD, TRANSFORM, LORA_TEXT, LORA_SPEECH, LAYERS):
        (folder / file).unlink(missing_ok=True)  # of an earlier model in this folder
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


def _joint(handle: ModelHandle, device: str, precision: Precision, speech: bool) -> JointEncoder:
    """The model of the handle, a hybrid's without its recogniser, under the handle's fingerprints."""
    spec, folder = handle.spec, handle.plain.folder
    if not speech:
        spec = spec.model_copy(update={"speech": None, "fusion": None, "head": None, "adapt": AdaptSpec()})
    becomes = effective_precision(precision, device)
    # The plain towers are for float32 on a CPU; a GPU, and bfloat16, have other kernels.
    model = _with_towers(spec, handle.fingerprints, plain=device == "cpu" and becomes == "float32")
    model.spec = as_stored(spec, folder)
    for file, places in _places(model).items():
        _fill(places, folder / file)
    adapters = [_read(folder / file) if file in files_of(spec) else {} for file in (LORA_TEXT, LORA_SPEECH)]
    try:
        model.merge_adapters(adapters[0], adapters[1])
    except InputError as error:
        raise InputError(f"{folder}: the adapters are not those that {SPEC} describes: {error}; {CURE}") from None
    return model.to(device).for_inference(becomes)


def _with_towers(spec: EncoderSpec, fingerprints: Fingerprints | None, plain: bool = False) -> JointEncoder:
    if spec.one_tower:
        return _one_tower(spec, fingerprints)
    speech = SpeechTower.load(spec.speech, plain) if spec.speech else None
    return JointEncoder(spec, TextTower.load(spec.text, plain), speech, fingerprints)


def _one_tower(spec: EncoderSpec, fingerprints: Fingerprints | None) -> JointEncoder:
    from embed.model.towers.pretrained import one_tower_model  # transformers takes seconds to import

    model, tokenizer, extractor = one_tower_model(spec.text.name, speech=spec.speech is not None)
    text = TextTower(spec.text, model.language_model, tokenizer)
    if spec.speech is None:
        return JointEncoder(spec, text, None, fingerprints)
    ids = torch.tensor([model.config.boa_token_id, model.config.eoa_token_index])
    begin, end = text.embeddings(ids)
    return JointEncoder(spec, text, SpeechSide(spec.speech, model, extractor), fingerprints, Marks(begin, end))


def _places(model: JointEncoder) -> dict[str, State]:
    """The model's own tensors by file, without adapters; writing into them changes the model."""
    modules = {FUSION: model.fusion, HEAD: model.head, TRANSFORM: model.transform}
    places: dict[str, State] = {file: module.state_dict() for file, module in modules.items() if module is not None}
    if model.fusion is not None:
        places[FUSION].update({f"others.{name}": value for name, value in model.others.state_dict().items()})
    if model.speech is not None and model.spec.adapt.unfreeze:
        places[LAYERS] = layers_state(model.speech.model, model.spec.adapt.unfreeze, model.speech.depth)
    return places


def _stored(value: Tensor, exact: bool) -> Tensor:
    """Norms, biases and standardisation are few values and may be tiny: they stay float32."""
    value = value.detach().float().cpu()
    halved = not exact and value.dim() > 1 and float(value.abs().max()) <= LARGEST_HALF
    return (value.half() if halved else value).contiguous()


def _read(path: Path) -> State:
    try:
        values = {name: value.to(torch.float32) for name, value in load_file(path).items()}
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); {CURE}") from None
    except SafetensorError as error:
        raise InputError(f"{path}: damaged, not a safetensors file ({error}); {CURE}") from None
    broken = [name for name, value in values.items() if not torch.isfinite(value).all()]
    if broken:
        raise InputError(f"{path}: {broken[0]} has values that are not finite; {CURE}")
    return values


def _fill(places: State, path: Path) -> None:
    """Copy a file's tensors into the model.  InputError where names or shapes differ."""
    values = _read(path)
    for name in sorted(places.keys() | values.keys()):
        expected, found = (tuple(one[name].shape) if name in one else None for one in (places, values))
        if expected != found:
            raise InputError(
                f"{path}: not the weights that {SPEC} describes ({name} is {found}, should be {expected}); {CURE}"
            )
        places[name].copy_(values[name])
