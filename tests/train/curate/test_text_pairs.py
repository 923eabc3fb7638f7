import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embed.errors import InputError, SpecError
from tests.train.lesson import write_prompts
from train.curate.dropped import HELD_OUT_TEXT, Dropped
from train.curate.sources import asterisk
from train.curate.text_pairs import SAME_MEANING, PairParts, TextPair, pairs_by_part
from train.spec import TextSourceSpec


def spec(name: str, *langs: str, url: str = "") -> TextSourceSpec:
    return TextSourceSpec.parse({"name": name, "langs": list(langs), "url": url})


def listed(path: Path, *rows: dict[str, Any], langs: tuple[str, ...] = ()) -> PairParts:
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return pairs_by_part([spec("manifest", *langs, url=str(path))], path.parent)


def test_captions_are_paired_both_ways_in_the_parts_of_their_recordings(tmp_path: Path) -> None:
    write_prompts(tmp_path, 24)
    found = pairs_by_part([spec("asterisk", "fr", "en")], tmp_path)
    pairs = [*found.train, *found.dev, *found.test]
    assert len(pairs) == 2 * 24
    assert TextPair("ast:aaaa", "pluie aaaa", "rain aaaa", SAME_MEANING, langs=("fr", "en")) in pairs
    assert TextPair("ast:aaaa", "rain aaaa", "pluie aaaa", SAME_MEANING, langs=("en", "fr")) in pairs
    spoken = asterisk.clips(tmp_path, ("fr", "en"))
    keys = [{pair.key for pair in part} for part in (found.train, found.dev, found.test)]
    assert set.union(*keys) == {clip.key for clip in spoken}
    assert sum(len(one) for one in keys) == 24


@pytest.mark.parametrize("name", ["asterisk", "manuals"])
def test_one_language_makes_no_pairs(tmp_path: Path, name: str) -> None:
    with pytest.raises(SpecError, match=f"{name} requires two or more languages"):
        pairs_by_part([spec(name, "fr")], tmp_path)


def test_a_language_without_texts_is_refused(tmp_path: Path) -> None:
    write_prompts(tmp_path, 4)
    with pytest.raises(SpecError, match="asterisk has no texts in 'wo'; it has en, fr"):
        pairs_by_part([spec("asterisk", "fr", "wo")], tmp_path)


def test_a_list_of_ones_own(tmp_path: Path) -> None:
    found = listed(
        tmp_path / "faq.jsonl",
        {"query": "Who?", "document": "She.", "task": "Answer", "negatives": ["He.", " "], "lang": "en", "part": "dev"},
        {"query": "Qui ?", "document": "She.", "query_lang": "fr", "document_lang": "en", "key": "k", "part": "train"},
        {"query": "When?", "document": "Now.", "lang": "en", "part": "train"},
    )
    assert found.dev == [TextPair("faq:who", "Who?", "She.", "Answer", ("He.",), ("en", "en"))]
    assert found.train == [TextPair("faq:when", "When?", "Now.", langs=("en", "en"))]
    assert found.dropped == [Dropped("faq:k", HELD_OUT_TEXT)]  # "She." is said in dev


def test_rows_without_a_part_are_split_by_key_and_text(tmp_path: Path) -> None:
    rows = [{"query": f"question {i}", "document": f"answer {i // 2}"} for i in range(64)]
    found = listed(tmp_path / "faq.jsonl", *rows)
    said = [{pair.document for pair in part} for part in (found.train, found.dev, found.test)]
    assert all(said)
    assert sum(len(one) for one in said) == 32  # no answer is in two parts
    assert not found.dropped


def test_a_table_of_pairs_has_columns_of_negatives(tmp_path: Path) -> None:
    row = {"query": "Who?", "document": "She.", "negative": "He.", "negative_2": "It.", "lang": "en"}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "faq.parquet")
    found = pairs_by_part([spec("manifest", "en", url=str(tmp_path / "faq.parquet"))], tmp_path)
    (pair,) = [*found.train, *found.dev, *found.test]
    assert pair.negatives == ("He.", "It.")
    with pytest.raises(InputError, match=r"lists no pairs of texts; write one pair per line"):
        pairs_by_part([spec("manifest", "fr", url=str(tmp_path / "faq.parquet"))], tmp_path)


def test_a_wrong_row_is_named_with_its_cure(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"faq\.jsonl, line 1: document is missing; give a query and the document"):
        listed(tmp_path / "faq.jsonl", {"query": "Who?"})
    with pytest.raises(InputError, match=r"faq\.jsonl, line 1: negatives is 'He.'; give a list"):
        listed(tmp_path / "faq.jsonl", {"query": "Who?", "document": "She.", "negatives": "He."})


@pytest.mark.data
def test_the_real_manual_gives_hundreds(obtain: Callable[[Callable[[Path], PairParts]], PairParts]) -> None:
    found = obtain(lambda cache: pairs_by_part([spec("manuals", "en", "fr")], cache))
    assert len(found.train) > 1000
    starts = {pair.query[:18]: pair.document[:23] for pair in found.train if pair.langs == ("en", "fr")}
    assert starts["Please use gettext"] == "Utilisez des écrans per"
