"""Benchmarks of recorded prompts: who answers whom, and what is a candidate."""

import json
from pathlib import Path
from typing import Any

import pytest

from embed.errors import InputError
from tests.train.lesson import write_prompts
from train.curate.benchmarks.prompts import prompts
from train.curate.clip import text_key
from train.curate.speech_pairs import prompts_by_part


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder with 40 prompts in English and French."""
    folder = tmp_path_factory.mktemp("cache")
    write_prompts(folder, 40)
    return folder


def lines(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def qrels(folder: Path, part: str) -> set[tuple[str, str]]:
    rows = (folder / "qrels" / f"{part}.tsv").read_text(encoding="utf-8").splitlines()[1:]
    return {(query, document) for query, document, _ in (row.split("\t") for row in rows)}


def test_recordings_of_a_part_and_all_captions_answer_each_other(cache: Path) -> None:
    folder = prompts("asterisk", cache, ("fr",), ("en",))
    parts, _ = prompts_by_part("asterisk", cache, ("fr",), ("en",))
    corpus = lines(folder, "corpus")
    texts = {one["_id"]: one["text"] for one in corpus if "audio" not in one}
    assert len(texts) == 40  # those of train are hard negatives
    for part in ("dev", "test"):
        clips = [clip for clip in parts[part] if clip.lang == "fr"]
        assert [one["audio"] for one in corpus if one.get("part") == part] == [clip.uri for clip in clips]
        pairs = {(f"{clip.key}/fr", text_key(clip.translations["en"])) for clip in clips}
        found = qrels(folder, part)
        assert {(query, text_key(texts[one])) for query, one in found if one in texts} == pairs
        assert {(one, query) for query, one in found} == found  # both ways
    assert "CC-BY-SA-3.0" in (folder / "README.md").read_text(encoding="utf-8")


def test_texts_ask_texts_and_recordings_ask_recordings(cache: Path) -> None:
    folder = prompts("asterisk", cache, (), ("fr", "en"))
    assert not any("audio" in one for name in ("queries", "corpus") for one in lines(folder, name))
    assert all({query[:2], one[:2]} == {"fr", "en"} for query, one in qrels(folder, "dev"))
    spoken = prompts("asterisk", cache, ("fr", "en"), ())
    assert all("audio" in one for one in lines(spoken, "corpus"))
    assert all(query != one and query[:-2] == one[:-2] for query, one in qrels(spoken, "dev"))


def test_the_same_prompts_are_the_same_folder_and_others_another(cache: Path) -> None:
    first = prompts("asterisk", cache, ("fr",), ("en",))
    state = first.stat().st_mtime_ns
    assert (prompts("asterisk", cache, ("fr",), ("en",)), first.stat().st_mtime_ns) == (first, state)
    assert prompts("asterisk", cache, ("en",), ("en",)) != first
    with pytest.raises(InputError, match="asterisk has no recordings in 'wo'; it has en, fr"):
        prompts("asterisk", cache, ("wo",), ("en",))
