import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import WhisperForConditionalGeneration

from embed.errors import InputError
from embed.model.packaged.whisper import TIMESTAMPS, write_whisper

WIDTH, FRAMES = 64, 10
NAMES = ["<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|fr|>", "<|translate|>", "<|transcribe|>"]
NAMES += ["<|startofprev|>", "<|notimestamps|>"]
TOKENIZER = json.dumps({"added_tokens": [{"content": name, "id": number} for number, name in enumerate(NAMES)]})
HINTS = {"lang_ids": [2, 3], "suppress_ids": [1], "suppress_ids_begin": [0], "alignment_heads": [[0, 0]]}
VOCABULARY = len(NAMES) + TIMESTAMPS


def a_small_whisper() -> dict[str, np.ndarray]:
    """One layer a side, random, under CTranslate2's names; vocabulary padded by three rows."""
    rng = np.random.default_rng(0)
    shapes: dict[str, tuple[int, ...]] = {"decoder/embeddings/weight": (VOCABULARY + 3, WIDTH)}
    shapes |= {"encoder/conv1/weight": (WIDTH, 80, 3), "encoder/conv2/weight": (WIDTH, WIDTH, 3)}
    shapes |= {f"encoder/conv{number}/bias": (WIDTH,) for number in (1, 2)}
    for side in ("encoder", "decoder"):
        shapes[f"{side}/position_encodings/encodings"] = (FRAMES, WIDTH)
        norms, linears = (
            ["self_attention/layer_norm", "ffn/layer_norm"],
            {"ffn/linear_0": (4, 1), "ffn/linear_1": (1, 4)},
        )
        linears |= {"self_attention/linear_0": (3, 1), "self_attention/linear_1": (1, 1)}
        if side == "decoder":
            norms.append("attention/layer_norm")
            linears |= {"attention/linear_0": (1, 1), "attention/linear_1": (2, 1), "attention/linear_2": (1, 1)}
        for name in (f"{side}/layer_norm", *(f"{side}/layer_0/{norm}" for norm in norms)):
            shapes |= {f"{name}/gamma": (WIDTH,), f"{name}/beta": (WIDTH,)}
        for name, (out, into) in linears.items():
            shapes |= {f"{side}/layer_0/{name}/weight": (out * WIDTH, into * WIDTH)}
            shapes |= {f"{side}/layer_0/{name}/bias": (out * WIDTH,)}
    return {name: rng.normal(size=shape).astype(np.float16) for name, shape in shapes.items()}


def test_every_weight_finds_its_place(tmp_path: Path) -> None:
    arrays = a_small_whisper()
    write_whisper(tmp_path, arrays, TOKENIZER.encode(), HINTS)
    model, info = WhisperForConditionalGeneration.from_pretrained(
        tmp_path, dtype=torch.float32, output_loading_info=True
    )
    assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    layer = model.model.decoder.layers[0]
    queries, keys, values = np.split(arrays["decoder/layer_0/self_attention/linear_0/weight"].astype(np.float32), 3)
    for projection, weight in zip(("q_proj", "k_proj", "v_proj"), (queries, keys, values), strict=True):
        assert np.array_equal(getattr(layer.self_attn, projection).weight.detach().numpy(), weight)
    other_keys = np.split(arrays["decoder/layer_0/attention/linear_1/weight"].astype(np.float32), 2)[0]
    assert np.array_equal(layer.encoder_attn.k_proj.weight.detach().numpy(), other_keys)
    assert model.model.decoder.embed_tokens.weight.shape == (VOCABULARY, WIDTH)
    assert model.generation_config.lang_to_id == {"<|en|>": 2, "<|fr|>": 3}


def test_a_weight_that_is_missing_is_named(tmp_path: Path) -> None:
    arrays = a_small_whisper()
    del arrays["encoder/layer_0/ffn/linear_1/bias"]
    with pytest.raises(InputError, match="have no encoder/layer_0/ffn/linear_1/bias"):
        write_whisper(tmp_path, arrays, TOKENIZER.encode(), HINTS)
