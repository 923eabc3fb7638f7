"""A checkpoint's tokenizer without `transformers`: the same ids, or None."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from embed.model.plain.tokenizer import FEW_CHARACTERS, plain_tokenizer
from tests.towers import towers_in

Tiny = Callable[[str], str]
TEXTS = [
    "query: a voice",
    "",
    "Été à Dakar?",
    "a <s>b</s> c<pad> <unk> d",
    "  two\n\nlines\t",
    "日本語 ﬁ",
    "long " * 300,
]


@pytest.mark.parametrize("kind", ["bert", "qwen3"])
def test_its_ids_are_those_of_transformers(tiny: Tiny, kind: str) -> None:
    ours, theirs = plain_tokenizer(Path(tiny(kind))), AutoTokenizer.from_pretrained(tiny(kind))
    assert ours is not None
    for specials in (False, True):
        assert ours(TEXTS, add_special_tokens=specials) == {
            "input_ids": theirs(TEXTS, add_special_tokens=specials)["input_ids"]
        }
        assert (
            ours("a b", add_special_tokens=specials)["input_ids"]
            == theirs("a b", add_special_tokens=specials)["input_ids"]
        )
    assert (ours.pad_token_id, ours.eos_token_id) == (theirs.pad_token_id, theirs.eos_token_id)


@pytest.mark.data
def test_the_packaged_ids_are_those_of_transformers() -> None:
    from embed.model.packaged.resolve import resolve

    folder = resolve("packaged:multilingual-e5-small")
    ours, theirs = plain_tokenizer(Path(folder)), AutoTokenizer.from_pretrained(folder)
    assert ours is not None
    expected = theirs(TEXTS, add_special_tokens=False)["input_ids"]
    assert ours(TEXTS, add_special_tokens=False)["input_ids"] == expected  # by the stored vocabulary
    assert ours(["a" * FEW_CHARACTERS, *TEXTS], add_special_tokens=False)["input_ids"][1:] == expected  # by the whole


@pytest.mark.parametrize(
    "changes",
    [
        {"tokenizer_class": "BertTokenizer"},
        {"tokenizer_class": None},
        {"bos_token": {"content": "<s>", "lstrip": True}},
        {"added_tokens_decoder": {}},
    ],
    ids=["another class", "no class", "a token with rules", "tokens of its own"],
)
def test_another_kind_is_left_to_transformers(tmp_path: Path, changes: dict[str, Any]) -> None:
    folder = Path(towers_in(tmp_path)("bert"))
    values = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(values | changes))
    assert plain_tokenizer(folder) is None
