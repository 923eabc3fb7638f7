"""A stored vocabulary: texts get the ids that the whole tokenizer gives them."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from embed.model.plain import tokenizer as plain_tokenizers
from embed.model.plain import vocabulary
from embed.model.plain.tokenizer import PlainTokenizer
from embed.model.plain.vocabulary import FILE, stored_vocabulary

SPECIALS = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
LETTERS = "aeinrstlo'▁éñ日本語ﬁ"
TEXTS = ["", " ", "Été à Dakar?", "a <s>b</s> c<pad> <unk> d", "  two\n\nlines\t", "日本語 ﬁ", "e\u0301\x00😀", "▁▁ a"]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A unigram tokenizer like that of multilingual-e5-small, with 2,000 random pieces."""
    monkeypatch.setenv("DEGLU_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(vocabulary, "SMALLEST_STORED", 0)
    rng = random.Random(3)
    words = {"".join(rng.choices(LETTERS, k=rng.randint(1, 6))) for _ in range(2000)}
    pieces = [(special, 0.0) for special in SPECIALS.values()] + [
        (word, rng.uniform(-14, -3)) for word in sorted(words)
    ]
    made = Tokenizer(models.Unigram(pieces, unk_id=3))
    made.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    made.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


def whole(file: Path, texts: list[str], specials: bool) -> list[list[int]]:
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.add_special_tokens(list(SPECIALS.values()))
    return [one.ids for one in tokenizer.encode_batch(texts, add_special_tokens=specials)]


@pytest.mark.slow
def test_texts_get_the_ids_of_the_whole_tokenizer(file: Path) -> None:
    rng = random.Random(4)
    texts = TEXTS + ["".join(rng.choices(LETTERS + "  x", k=rng.randint(1, 60))) for _ in range(200)]
    ours = PlainTokenizer(file, SPECIALS)
    for specials in (False, True):
        assert ours(texts, add_special_tokens=specials)["input_ids"] == whole(file, texts, specials)
        assert [ours(text, specials)["input_ids"] for text in texts[:20]] == whole(file, texts[:20], specials)
    assert (ours.pad_token_id, ours.eos_token_id) == (1, 2)


def test_the_whole_tokenizer_is_loaded_only_for_many_texts(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored_vocabulary(file)
    ours = PlainTokenizer(file, SPECIALS)
    monkeypatch.setattr(plain_tokenizers.PlainTokenizer, "_whole", property(lambda _: pytest.fail("it is loaded")))
    before = ours(TEXTS)
    monkeypatch.undo()
    texts = ["a" * plain_tokenizers.FEW_CHARACTERS, *TEXTS]
    assert ours(texts)["input_ids"] == whole(file, texts, True)
    assert ours(TEXTS) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values["model"].update(byte_fallback=True),
        lambda values: values["model"].update(unk_id=None),
        lambda values: values["added_tokens"].append({"id": 1900, "content": "<mask>"}),
        lambda values: values.update(model={"type": "WordLevel", "vocab": {"<unk>": 0}, "unk_token": "<unk>"}),
    ],
    ids=["bytes", "nothing for unknown", "a special token at the end", "words"],
)
def test_another_kind_has_none(file: Path, change: Callable[[dict[str, Any]], None]) -> None:
    values = json.loads(file.read_text(encoding="utf-8"))
    change(values)
    file.write_text(json.dumps(values), encoding="utf-8")
    assert stored_vocabulary(file) is None
    assert stored_vocabulary(file) is None  # nor when the cache knows so


def test_a_damaged_or_unwritable_cache_is_not_used(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stored_vocabulary(file) is not None
    (stored,) = (tmp_path / "cache").rglob(FILE)
    stored.write_bytes(stored.read_bytes()[:-500])
    assert stored_vocabulary(file) is None
    assert PlainTokenizer(file, SPECIALS)(TEXTS)["input_ids"] == whole(file, TEXTS, True)
    monkeypatch.setenv("DEGLU_CACHE", "/dev/null/cache")
    assert stored_vocabulary(file) is None


def test_a_special_token_that_is_no_first_piece_needs_the_whole(file: Path) -> None:
    ours = PlainTokenizer(file, SPECIALS | {"mask_token": "<mask>"})
    texts = ["a <mask> b"]
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.add_special_tokens([*SPECIALS.values(), "<mask>"])
    assert ours(texts)["input_ids"] == [tokenizer.encode(texts[0]).ids]
