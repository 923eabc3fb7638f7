"""Writer of a Whisper, read from CTranslate2 arrays, as an ordinary `transformers` checkpoint in float32.

Encoder and decoder are written completely; the output layer is the token embedding, as in the original.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from embed.encoder import FloatArray
from embed.errors import InputError
from embed.model.packaged.ct2 import Arrays

HEAD_WIDTH = 64  # in every size of Whisper
MEL_BINS = 80
TIMESTAMPS = 1501  # the last tokens: 0 to 30 s in steps of 20 ms; the tokenizer does not list them
LAYER_NORMS = {"weight": "gamma", "bias": "beta"}


def write_whisper(folder: Path, arrays: Arrays, tokenizer: bytes, hints: Mapping[str, Any]) -> None:
    """Weights, configurations, feature extractor and tokenizer into `folder`.

    `tokenizer` is a `tokenizer.json`; `hints` holds the token ids to suppress and the alignment heads.
    """
    ids = {token["content"]: token["id"] for token in json.loads(tokenizer)["added_tokens"]}
    vocabulary = ids["<|notimestamps|>"] + 1 + TIMESTAMPS
    tensors = dict(_tensors(arrays, vocabulary))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)  # safetensors lets only its writer read it
    (folder / "tokenizer.json").write_bytes(tokenizer)
    settings = {
        "config.json": _config(arrays, vocabulary, ids),
        "generation_config.json": _generation(ids, hints),
        "preprocessor_config.json": _extractor(),
        "tokenizer_config.json": _tokenizer(ids),
    }
    for name, content in settings.items():
        (folder / name).write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _tensors(arrays: Arrays, vocabulary: int) -> Iterator[tuple[str, FloatArray]]:
    for conv in ("conv1", "conv2"):
        yield from _pair(arrays, f"encoder/{conv}", f"model.encoder.{conv}")
    for side in ("encoder", "decoder"):
        positions = _find(arrays, f"{side}/position_encodings/encodings")
        yield f"model.{side}.embed_positions.weight", positions
        yield from _pair(arrays, f"{side}/layer_norm", f"model.{side}.layer_norm", LAYER_NORMS)
        for layer in range(_depth(arrays, side)):
            yield from _layer(arrays, f"{side}/layer_{layer}", f"model.{side}.layers.{layer}")
    # The file pads the vocabulary to a multiple of eight.
    yield "model.decoder.embed_tokens.weight", _find(arrays, "decoder/embeddings/weight")[:vocabulary]


def _layer(arrays: Arrays, old: str, new: str) -> Iterator[tuple[str, FloatArray]]:
    yield from _fused(arrays, f"{old}/self_attention/linear_0", f"{new}.self_attn", ("q_proj", "k_proj", "v_proj"))
    yield from _pair(arrays, f"{old}/self_attention/linear_1", f"{new}.self_attn.out_proj")
    yield from _pair(arrays, f"{old}/self_attention/layer_norm", f"{new}.self_attn_layer_norm", LAYER_NORMS)
    if f"{old}/attention/linear_0/weight" in arrays:  # only the decoder attends to the encoder
        yield from _pair(arrays, f"{old}/attention/linear_0", f"{new}.encoder_attn.q_proj")
        yield from _fused(arrays, f"{old}/attention/linear_1", f"{new}.encoder_attn", ("k_proj", "v_proj"))
        yield from _pair(arrays, f"{old}/attention/linear_2", f"{new}.encoder_attn.out_proj")
        yield from _pair(arrays, f"{old}/attention/layer_norm", f"{new}.encoder_attn_layer_norm", LAYER_NORMS)
    yield from _pair(arrays, f"{old}/ffn/linear_0", f"{new}.fc1")
    yield from _pair(arrays, f"{old}/ffn/linear_1", f"{new}.fc2")
    yield from _pair(arrays, f"{old}/ffn/layer_norm", f"{new}.final_layer_norm", LAYER_NORMS)


def _pair(
    arrays: Arrays, old: str, new: str, names: Mapping[str, str] | None = None
) -> Iterator[tuple[str, FloatArray]]:
    for kind in ("weight", "bias"):
        yield f"{new}.{kind}", _find(arrays, f"{old}/{names[kind] if names else kind}")


def _fused(arrays: Arrays, old: str, new: str, parts: tuple[str, ...]) -> Iterator[tuple[str, FloatArray]]:
    """Projections that the file stacks in one matrix; a key's bias changes nothing, and Whisper has none."""
    weights = np.split(_find(arrays, f"{old}/weight"), len(parts))
    biases = np.split(_find(arrays, f"{old}/bias"), len(parts))
    for part, weight, bias in zip(parts, weights, biases, strict=True):
        yield f"{new}.{part}.weight", weight
        if part != "k_proj":
            yield f"{new}.{part}.bias", bias


def _find(arrays: Arrays, name: str) -> FloatArray:
    if name not in arrays:
        raise InputError(f"the Whisper weights have no {name}; install the pinned version of the package")
    return arrays[name].astype(np.float32)


def _depth(arrays: Arrays, side: str) -> int:
    return len([name for name in arrays if name.startswith(f"{side}/layer_") and name.endswith("/ffn/linear_0/weight")])


def _config(arrays: Arrays, vocabulary: int, ids: Mapping[str, int]) -> dict[str, Any]:
    width, inner = arrays["encoder/conv1/bias"].shape[0], arrays["encoder/layer_0/ffn/linear_0/weight"].shape[0]
    config = {
        "architectures": ["WhisperForConditionalGeneration"],
        "model_type": "whisper",
        "dtype": "float32",
        "vocab_size": vocabulary,
        "d_model": width,
        "num_mel_bins": MEL_BINS,
        "max_source_positions": arrays["encoder/position_encodings/encodings"].shape[0],
        "max_target_positions": arrays["decoder/position_encodings/encodings"].shape[0],
        "scale_embedding": False,
        "tie_word_embeddings": True,
        **_special_ids(ids),
    }
    for side in ("encoder", "decoder"):
        heads = {f"{side}_attention_heads": width // HEAD_WIDTH, f"{side}_ffn_dim": inner}
        config |= {f"{side}_layers": _depth(arrays, side), **heads}
    return config | {"num_hidden_layers": config["encoder_layers"]}


def _special_ids(ids: Mapping[str, int]) -> dict[str, int]:
    end = ids["<|endoftext|>"]
    start = ids["<|startoftranscript|>"]
    return {"bos_token_id": end, "eos_token_id": end, "pad_token_id": end, "decoder_start_token_id": start}


def _generation(ids: Mapping[str, int], hints: Mapping[str, Any]) -> dict[str, Any]:
    """Settings for `generate(language=..., task=...)`."""
    languages = set(hints["lang_ids"])
    return {
        **_special_ids(ids),
        "is_multilingual": True,
        "lang_to_id": {token: number for token, number in ids.items() if number in languages},
        "task_to_id": {task: ids[f"<|{task}|>"] for task in ("transcribe", "translate")},
        "no_timestamps_token_id": ids["<|notimestamps|>"],
        "prev_sot_token_id": ids["<|startofprev|>"],
        "suppress_tokens": hints["suppress_ids"],
        "begin_suppress_tokens": hints["suppress_ids_begin"],
        "alignment_heads": hints["alignment_heads"],
        "max_initial_timestamp_index": 50,
        "max_length": 448,
        "return_timestamps": False,
    }


def _extractor() -> dict[str, Any]:
    """OpenAI's settings: 80 mel bins, 25 ms windows every 10 ms, 30 s at most."""
    return {
        "feature_extractor_type": "WhisperFeatureExtractor",
        "feature_size": MEL_BINS,
        "sampling_rate": 16_000,
        "hop_length": 160,
        "n_fft": 400,
        "chunk_length": 30,
        "padding_value": 0.0,
    }


def _tokenizer(ids: Mapping[str, int]) -> dict[str, Any]:
    end = "<|endoftext|>"
    tokens = {f"{role}_token": end for role in ("bos", "eos", "pad", "unk")}
    return {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 448, **tokens}
