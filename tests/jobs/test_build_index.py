"""From a published vectors dataset to answers, on the local disk and on S3."""

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

from embed.dataset import commit_unit, open_job, publish
from embed.encoder import Batch, Fingerprints, FloatArray, Role
from embed.errors import FingerprintMismatch, InputError, SpecError
from embed.identity import asset_id, segment_id, unit_id
from embed.store import join
from embed.tables import FAILURES, MANIFEST, rows
from index.search import open_index
from index.spec import IndexSpec
from jobs.ask import Answer, as_json, as_table, ask, span
from jobs.build_index import build_index

WORDS = ("hash", "star", "zero", "nine")


class WordEncoder:
    """Each word is an axis; a wave speaks the word of its length."""

    dims = (4, 2)

    def __init__(self, space: str = "words") -> None:
        self.fingerprints = Fingerprints(space, "words-and-waves")

    def encode(self, batch: Batch, role: Role, task: str | None = None) -> FloatArray:
        places = [WORDS.index(one) if isinstance(one, str) else len(one) - 1 for one in batch]
        return np.eye(4, dtype=np.float32)[places]


@pytest.fixture(autouse=True)
def cache(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEGLU_CACHE", str(tmp_path / "cache"))


def _rows(modality: str) -> list[dict[str, Any]]:
    uri, spoken = (f"radio/{modality}.x", modality == "speech")
    asset = asset_id(uri)
    return [
        {
            "segment_id": segment_id(asset, "v", "cut", i * 1000, i * 1000 + 900),
            "asset_id": asset,
            "unit_id": unit_id(asset, "v", "cut", 0, None),
            "uri": uri,
            "content_version": "v",
            "modality": modality,
            "start_s": 60.0 * i if spoken else None,
            "end_s": 60.0 * i + 0.96 if spoken else None,
            "start": None if spoken else i * 10,
            "end": None if spoken else i * 10 + 4,
            "lang": "fr" if spoken else "en",
            "text": None if spoken else f"press [{word}]",
            "metadata": [("word", word)],
            "space": "words",
            "encoder": "words-and-waves",
            "vector": np.eye(4, dtype=np.float16)[i],
        }
        for i, word in enumerate(WORDS)
    ]


@pytest.fixture
def published(storage_url: str) -> str:
    """The url of a dataset with both modalities, four rows each."""
    url = join(storage_url, "vectors")
    job = open_job(url, {"encoder": {"name": "words"}}, (4, 2), "words", "words-and-waves", "mine")
    for modality in ("speech", "text"):
        table = pa.Table.from_pylist(_rows(modality), schema=rows(4))
        row = table.slice(0, 1).select(["unit_id", "asset_id", "content_version"]).to_pylist()[0]
        seconds = {"decoded_s": 0.0, "embedded_s": 0.0, "not_speech_s": 0.0, "lost_s": 0.0}
        ledger = {**row, "outcome": "embedded", "rows": 4, **seconds}
        commit_unit(job, table, ledger, FAILURES.empty_table())
    publish(job, _manifest())
    return url


def _manifest() -> pa.Table:
    assets = [
        {
            "asset_id": asset_id(uri),
            "uri": uri,
            "url": uri,
            "modality": modality,
            "format": "audio" if modality == "speech" else "txt",
            "size_bytes": 1,
            "content_version": "v",
        }
        for modality, uri in (("speech", "radio/speech.x"), ("text", "radio/text.x"))
    ]
    return pa.Table.from_pylist(assets, schema=MANIFEST)


@pytest.fixture
def spec(published: str, storage_url: str) -> IndexSpec:
    return IndexSpec(vectors=published, output=join(storage_url, "index"), shortlist_dim=4, device="cpu")


def test_the_report_says_what_was_built(spec: IndexSpec) -> None:
    report = build_index(spec)
    assert report["seconds"] > 0
    assert report["bytes"] > 0
    assert {name: report[name] for name in ("index", "version", "vectors_version", "rows", "published")} == {
        "index": spec.output,
        "version": 1,
        "vectors_version": 1,
        "rows": 8,
        "published": True,
    }
    assert report["rows_by_modality"] == {"speech": 4, "text": 4}
    assert report["recall_at_10"] == {"speech": 1.0, "text": 1.0}
    assert build_index(spec)["published"] is False


def test_the_index_remembers_its_dataset(spec: IndexSpec) -> None:
    build_index(spec)
    lineage = open_index(spec.output).manifest.lineage
    assert (lineage.version, lineage.settings) == (1, {"encoder": {"name": "words"}, "model": "mine"})
    assert lineage.sha256 is not None
    assert len(lineage.sha256) == 64


@pytest.mark.parametrize("question", ["zero", np.zeros(3, np.float32)], ids=["typed", "spoken"])
def test_ask_finds_the_word_in_both_modalities(question: Any, spec: IndexSpec) -> None:
    build_index(spec)
    for modality in ("speech", "text"):
        (answers,) = ask(spec.output, WordEncoder(), [question], 2, modality=modality)
        assert (answers[0].rank, answers[0].score, answers[0].metadata) == (1, 1.0, {"word": "zero"})
        assert [answer.rank for answer in answers] == [1, 2]
    (merged,) = ask(spec.output, WordEncoder(), [question], 2)
    assert {answer.modality for answer in merged} == {"speech", "text"}
    assert {answer.metadata["word"] for answer in merged} == {"zero"}


def test_answers_can_be_shown_and_serialised(spec: IndexSpec) -> None:
    build_index(spec)
    both = ask(spec.output, WordEncoder(), ["star", "nine"], 1, modality="speech")
    assert [span(answers[0]) for answers in both] == ["1:00.0 - 1:01.0", "3:00.0 - 3:01.0"]
    (text,) = ask(spec.output, WordEncoder(), ["star"], 1, modality="text")
    console = Console(file=io.StringIO(), width=100)
    console.print(as_table(text, "star"))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert all(part in shown for part in ("star", "1.000", "radio/text.x", "10 - 14", "press [star]"))
    assert as_json(text)[0]["text"] == "press [star]"
    assert set(as_json(text)[0]) == set(Answer.__dataclass_fields__)


def test_fewer_rows_than_k_gives_fewer_answers(spec: IndexSpec) -> None:
    build_index(spec)
    assert [len(answers) for answers in ask(spec.output, WordEncoder(), ["hash", "star"], 99)] == [8, 8]


def test_an_encoder_of_another_space_is_refused(spec: IndexSpec) -> None:
    build_index(spec)
    with pytest.raises(FingerprintMismatch, match="is in space words, the queries are in space other"):
        ask(spec.output, WordEncoder("other"), ["hash"], 1)


def test_errors_name_the_cure(spec: IndexSpec) -> None:
    with pytest.raises(SpecError, match=r"shortlist_dim = 3: .* declares the dims 4, 2; choose one of these"):
        build_index(spec.model_copy(update={"shortlist_dim": 3}))
    with pytest.raises(InputError, match="no version 9"):
        build_index(spec.model_copy(update={"version": 9}))
    with pytest.raises(InputError, match="no version is published here"):
        build_index(spec.model_copy(update={"vectors": spec.vectors + "-not"}))
