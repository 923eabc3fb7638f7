"""From a published vectors dataset to answers, on the local disk and on S3."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from embed.dataset import open_dataset
from embed.dataset import vectors as dataset
from embed.dataset.job import Job, open_job
from embed.dataset.publish import publish
from embed.dataset.staging import commit_unit
from embed.encoder import Batch, Fingerprints, FloatArray, Role, truncate
from embed.errors import InputError, SpecError
from embed.identity import asset_id, segment_id, unit_id
from embed.storage.store import join
from embed.tables import FAILURES, MANIFEST, LedgerRow, ledger_row, rows
from index.ask.answers import ask
from index.ask.questions import Question
from index.ask.searcher import open_index
from index.calibration import calibrate, questions
from index.contracts import SearchRequest
from index.ladder import Curve, Point, Setting
from index.parts.artifact import Lineage, Manifest, ModalityEntry, read_manifest
from index.spec import IndexSpec
from jobs.indexing.build_index import _text, _warnings, build_index

WORDS = ("hash", "star", "zero", "nine")


class WordEncoder:
    """Each word is an axis; a wave speaks the word of its length."""

    dims = (4, 2)
    fingerprints = Fingerprints("words", "words-and-waves")

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
        commit_unit(job, table, _ledger_row(table), FAILURES.empty_table())
    publish(job, _manifest({"radio/speech.x": "speech", "radio/text.x": "text"}))
    return url


def _ledger_row(table: pa.Table) -> LedgerRow:
    return ledger_row(table.slice(0, 1).to_pylist()[0], "embedded", table.num_rows)


def _manifest(modalities: dict[str, str]) -> pa.Table:
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
        for uri, modality in modalities.items()
    ]
    return pa.Table.from_pylist(assets, schema=MANIFEST)


@pytest.fixture
def spec(published: str, storage_url: str) -> IndexSpec:
    return IndexSpec(vectors=published, output=join(storage_url, "index"), device="cpu")


def test_the_report_says_what_was_built(spec: IndexSpec) -> None:
    result = build_index(spec)
    report = result.document()
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
    assert (report["coded"], report["drift"]) == ({"speech": False, "text": False}, {"speech": None, "text": None})
    assert (report["curves"], report["removed"]) == ({"speech": [], "text": []}, 0)
    head, *lines = result.text().splitlines()
    assert re.match(rf"{re.escape(spec.output)} version 1: 8 rows, \d+\.\d kB, published", head)
    assert lines == ["speech    4 rows: every row is read", "text      4 rows: every row is read"]
    again = build_index(spec)
    assert again.document()["published"] is False
    assert "existed already" in again.text()


def test_the_index_remembers_its_dataset(spec: IndexSpec) -> None:
    build_index(spec)
    lineage = open_index(spec.output).manifest.lineage
    assert (lineage.version, lineage.settings) == (1, {"encoder": {"name": "words"}, "model": "mine"})
    assert lineage.sha256 is not None
    assert len(lineage.sha256) == 64


@pytest.mark.parametrize(
    "question", [Question(text="zero"), Question(speech=np.zeros(3, np.float32))], ids=["typed", "spoken"]
)
def test_ask_finds_the_word_in_both_modalities(question: Question, spec: IndexSpec) -> None:
    build_index(spec)
    index = open_index(spec.output)
    requests = SearchRequest(k=2, modality="speech"), SearchRequest(k=2, modality="text")
    for request in requests:
        (answers,) = ask(index, WordEncoder(), [question], request).lists
        assert (answers[0].rank, answers[0].score, answers[0].metadata) == (1, 1.0, {"word": "zero"})
        assert [answer.rank for answer in answers] == [1, 2]
    (merged,) = ask(index, WordEncoder(), [question], SearchRequest(k=2)).lists
    assert {answer.modality for answer in merged} == {"speech", "text"}
    assert {answer.metadata["word"] for answer in merged} == {"zero"}


def test_what_the_index_promises_is_told() -> None:
    point = Point(
        setting=Setting(depth=1, shortlist=100, exact=15),
        recall={"rows": 0.995},
        low=0.991,
        rows_read=0.031,
        ms_one=0.5,
        ms_many=0.1,
    )
    curve = Curve(dim=4, k=10, queries={"rows": 100}, points=(point,))
    entry = ModalityEntry(coder=None, router=None, curves=(curve,), top_scores={})
    lineage = Lineage(url="vectors", version=1, sha256=None, settings={})
    spec = IndexSpec(vectors="vectors", output="out", latency_ms=0.2)

    def told(spec: IndexSpec) -> list[str]:
        manifest = Manifest(
            format=2,
            version=1,
            spec=spec,
            space="words",
            dims=(4,),
            metric="cosine",
            rows=9,
            segments=(),
            modalities={"text": entry},
            removed=None,
            lineage=lineage,
        )
        shown = {"bytes": 1, "published": True, "removed": 2, "rows_by_modality": {"text": 9}}
        return _text(spec, manifest, {**shown, "warnings": list(_warnings(spec, manifest))}).splitlines()[1:]

    assert told(spec) == [
        "text      9 rows: recall 0.99 by reading 3.1 % of them, about 0.5 ms, 0.1 in a batch",
        "left out  2 rows that were deleted in the index",
        "warning   text: recall 0.99 takes 0.5 ms, more than latency_ms = 0.2; lower the recall, or ask with "
        "--budget-ms",
    ]
    assert told(spec.model_copy(update={"recall": 0.999}))[-1] == (
        "warning   text: no setting keeps recall 0.999 (at most 0.991), so every row is read; ask for a lower recall, "
        "or give code_bits: 2"
    )


@pytest.mark.ray
def test_any_number_of_workers_makes_the_same_parts(
    tmp_path: Path, ray_session: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "ROW_QUESTIONS", 64)
    monkeypatch.setattr(calibrate, "SURVIVORS", 2)
    monkeypatch.setattr(dataset, "PART_ROWS", 1)  # each file is a part
    vectors = str(tmp_path / "vectors")
    job = open_job(vectors, {"encoder": {"name": "words"}}, (8,), "words", "words-and-waves", "mine")
    for number in range(5):
        commit_text(job, number)
    publish(job, _manifest({f"news/{number}.txt": "text" for number in range(5)}), file_bytes=1)
    assert len(open_dataset(vectors).parts()) == 5

    def parts(name: str, tasks_from: int, workers: int | None = None) -> list[str]:
        output = str(tmp_path / name)
        spec = IndexSpec(vectors=vectors, output=output, ladder="coded", lists=4, workers=workers, device="cpu")
        assert build_index(spec, tasks_from=tasks_from).document()["rows"] == 300
        return [part.name for part in read_manifest(output).parts]

    alone = parts("alone", 300)
    assert len(alone) == 3  # rows, coder, router
    assert parts("one", 299, workers=1) == parts("three", 299, workers=3) == alone


def commit_text(job: Job, number: int) -> None:
    """Sixty rows of one text."""
    rng, asset = np.random.default_rng(number), asset_id(f"news/{number}.txt")
    template = _rows("text")[0] | {"asset_id": asset, "uri": f"news/{number}.txt"}
    template["unit_id"] = unit_id(asset, "v", "cut", 0, None)
    unit_rows = truncate(rng.standard_normal((60, 8)).astype(np.float32), 8).astype(np.float16)
    listed = [
        template | {"segment_id": segment_id(asset, "v", "cut", place, place + 1), "vector": row}
        for place, row in enumerate(unit_rows)
    ]
    table = pa.Table.from_pylist(listed, schema=rows(8))
    commit_unit(job, table, _ledger_row(table), FAILURES.empty_table())


def test_errors_name_the_cure(spec: IndexSpec) -> None:
    with pytest.raises(SpecError, match=r"code_dim = 3: .* declares the dims 4, 2; choose one of these"):
        build_index(spec.model_copy(update={"code_dim": 3}))
    with pytest.raises(InputError, match="no version 9"):
        build_index(spec.model_copy(update={"version": 9}))
    with pytest.raises(InputError, match="no version is published here"):
        build_index(spec.model_copy(update={"vectors": spec.vectors + "-not"}))
