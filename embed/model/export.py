"""Export of a model's text side to sentence-transformers: tower, pooling, nesting transform, prompts.

    tokens -> Transformer -> Pooling -> Normalize [-> Dense (the transform) -> Normalize] -> unit [n, D]

`prompt_name="query"` or `"document"` puts our prefixes before a text, and `truncate_dim` with
`normalize_embeddings=True` gives a declared width.  Speech is not exported: that library does not support it.
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from tokenizers import processors

from embed.encoder import Role
from embed.errors import InputError, SpecError
from embed.model.folder import CARD, TRANSFORM
from embed.model.handle import ModelHandle
from embed.model.joint import JointEncoder
from embed.model.spec import EncoderSpec
from embed.model.towers.text import TextTower
from embed.model.transform import NestingTransform
from embed.storage.cache import make_folder

CURE = "pip install -e '.[export]'"
POOLING = {"last": "lasttoken", "mean": "mean", "cls": "cls"}  # our names to theirs
# Texts whose vectors are compared before anything is written: short, empty, long.
SAMPLES = ["Where is the market?", "", "The price of rice went up again in the north. " * 20]
LEAST_COSINE = 0.9999
ROLES: tuple[Role, ...] = ("query", "document")


def export(model: ModelHandle, folder: Path) -> tuple[int, ...]:
    """Write the text side of a model into a new folder; returns the widths at which it may be cut.

    The folder appears complete or not at all.  Raises SpecError where the library is missing or the folder exists.
    """
    library = _library()
    if folder.exists():
        raise SpecError(f"{folder} exists already; name a new folder")
    make_folder(folder, lambda draft: _write(library, model, draft))
    return model.spec.dims


def _write(library: Any, handle: ModelHandle, draft: Path) -> None:
    source, ours = handle.plain.folder, _text_side(handle)
    tower = ours.text
    with TemporaryDirectory() as inside:
        model = _assembled(library, tower, ours.transform, inside)
        _compare(model, ours)
        # The library's own card would query the hub.
        model.save(str(draft), create_model_card=False)
    for path in draft.rglob("*.safetensors"):
        path.chmod(0o644)  # safetensors lets only its writer read it
    if _poolerless(tower):
        _keep(draft / "sentence_bert_config.json", {"model_args": {"add_pooling_layer": False}})
    if (source / CARD).is_file():
        (draft / "README.md").write_text((source / CARD).read_text(encoding="utf-8"), encoding="utf-8")


def _assembled(library: Any, tower: TextTower, transform: NestingTransform | None, inside: str) -> Any:
    """The library's model, from the tower as it is loaded here; `inside` is a temporary folder."""
    tower.model.save_pretrained(inside)
    _framed(tower).save_pretrained(inside)
    modules, most = library.sentence_transformer.modules, tower.spec.max_tokens
    kept = {"add_pooling_layer": False} if _poolerless(tower) else {}
    layers = [
        modules.Transformer(inside, max_seq_length=most, model_kwargs=kept),
        modules.Pooling(tower.width, POOLING[tower.spec.pooling]),
        modules.Normalize(),
    ]
    if transform is not None:
        # rotation @ (x - centre), written as one linear layer.
        weight, bias = transform.rotation.clone(), -(transform.rotation @ transform.centre)
        dense = modules.Dense(tower.width, tower.width, activation_function=None, init_weight=weight, init_bias=bias)
        layers += [dense, modules.Normalize()]
    prompts = {role: tower.prefix(role) for role in ROLES}
    return library.SentenceTransformer(modules=layers, prompts=prompts, similarity_fn_name="cosine", device="cpu")


def _framed(tower: TextTower) -> Any:
    """The tokenizer, with the tower's end token after a text where the tokenizer itself adds none."""
    tokenizer, (_, end) = tower.tokenizer, tower.frame("document")
    plain, whole = (tokenizer("a", add_special_tokens=special)["input_ids"] for special in (False, True))
    if not end or (len(whole) > len(plain) and whole[-len(end) :] == end):
        return tokenizer
    token = tokenizer.convert_ids_to_tokens(end[0])
    closing = processors.TemplateProcessing(single=f"$A {token}", special_tokens=[(token, end[0])])
    before = tokenizer.backend_tokenizer.post_processor
    tokenizer.backend_tokenizer.post_processor = processors.Sequence([before, closing]) if before else closing
    return tokenizer


def _poolerless(tower: TextTower) -> bool:
    """Whether the model is of BERT's family: its pooling layer is not used here, and would be random at every load."""
    return getattr(tower.model, "pooler", tower) is None


def _keep(path: Path, values: dict[str, Any]) -> None:
    """Add values to a file of JSON."""
    found = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(found | values, indent=1) + "\n", encoding="utf-8")


def _compare(model: Any, ours: JointEncoder) -> None:
    """Refuse the export where the library reads the tokenizer or the tower differently."""
    for role in ROLES:
        theirs = model.encode(SAMPLES, prompt_name=role, convert_to_numpy=True)
        cosine = float((theirs * ours.encode(SAMPLES, role)).sum(1).min())
        if cosine < LEAST_COSINE:
            raise InputError(
                f"text tower {ours.spec.text.name!r}: sentence-transformers encodes a {role} differently (cosine "
                f"{cosine:.4f}); this tower cannot be exported"
            )


def _text_side(handle: ModelHandle) -> JointEncoder:
    """The model without its speech side, in float32."""
    text = EncoderSpec.parse(handle.spec.model_dump(mode="json", include={"text", "transform", "dims"}))
    model = JointEncoder(text, TextTower.load(text.text), None).eval().requires_grad_(False)
    if model.transform is not None:
        path = handle.plain.folder / TRANSFORM
        try:
            model.transform.load_state_dict(load_file(path))
        except (OSError, SafetensorError, RuntimeError) as error:
            line = str(error).splitlines()[0]
            raise InputError(f"{path}: no nesting transform ({line}); copy the complete folder again") from None
    return model


def _library() -> Any:
    try:
        import sentence_transformers
        import sentence_transformers.sentence_transformer.modules
    except ImportError:
        raise SpecError(f"export requires the library sentence-transformers, 6 or newer: {CURE}") from None
    return sentence_transformers
