from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from embed.errors import InputError
from embed.model.packaged.e5 import MATRICES, NORMS, write_e5
from embed.model.packaged.e5q4 import E5File, Shape, Vocabulary

PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁a", "▁fine", "▁day", "b"]
WIDTH, INNER = 8, 16


def a_small_e5() -> E5File:
    """One layer, random; nine pieces in a vocabulary of ten."""
    rng = np.random.default_rng(0)
    sizes = {"emb.word": 10 * WIDTH, "emb.pos": 12 * WIDTH, "emb.type": 2 * WIDTH, "emb.ln.w": WIDTH, "emb.ln.b": WIDTH}
    for name in MATRICES:
        sizes[f"l0.{name}.w"] = WIDTH * (INNER if name in ("fi", "fo") else WIDTH)
        sizes[f"l0.{name}.b"] = INNER if name == "fi" else WIDTH
    sizes |= {f"l0.{name}.{kind}": WIDTH for name in NORMS for kind in "wb"}
    tensors = {name: rng.normal(size=size).astype(np.float32) for name, size in sizes.items()}
    scores = -np.arange(len(PIECES), dtype=np.float32)
    return E5File(Shape(WIDTH, 1, 2, INNER, 10, 12, 2, 1e-12, 32), Vocabulary(PIECES, scores, 0, 2, 1, 3), tensors)


def test_every_weight_finds_its_place(tmp_path: Path) -> None:
    file = a_small_e5()
    write_e5(tmp_path, file)
    model, info = AutoModel.from_pretrained(
        tmp_path, dtype=torch.float32, output_loading_info=True, add_pooling_layer=False
    )
    assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    inner = model.encoder.layer[0].intermediate.dense.weight.detach().numpy()
    assert np.array_equal(inner, file.tensors["l0.fi.w"].reshape(INNER, WIDTH))


@pytest.mark.parametrize("text", ["a fine day", " a  ﬁne\tday ", "a\u200bfine\nday", "\x07a fine day"])
def test_the_tokenizer_knows_only_words_and_single_spaces(tmp_path: Path, text: str) -> None:
    write_e5(tmp_path, a_small_e5())
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"]) == ["<s>", "▁a", "▁fine", "▁day", "</s>"]


def test_a_tensor_of_the_wrong_size_is_named(tmp_path: Path) -> None:
    file = a_small_e5()
    tensors = {**file.tensors, "l0.q.b": np.zeros(3, dtype=np.float32)}
    with pytest.raises(InputError, match=r"have no l0\.q\.b of shape \(8,\)"):
        write_e5(tmp_path, E5File(file.shape, file.vocabulary, tensors))
