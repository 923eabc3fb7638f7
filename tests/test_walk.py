"""The whole house on foot: audio and text in -> vectors -> index -> answer, in seconds, with no cluster."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa

from embed import tables
from embed.accounting import imbalances
from embed.archive.manifest import list_assets
from embed.audio.decode import decode
from embed.dataset import open_dataset
from embed.dataset.job import open_job
from embed.dataset.publish import publish
from embed.dataset.staging import commit_unit
from embed.encoder import SAMPLE_RATE
from embed.model.handle import resolve_model
from embed.model.joint import JointEncoder
from embed.model.weights import load_joint
from embed.segmentation.rules import Cutting
from embed.segmentation.tokens import words_of
from embed.segmentation.units import plan_units, planned_units
from embed.spec import EmbedSpec
from embed.stages import EncodeUnits, cut_stage
from embed.tables import FailureRow, LedgerRow
from index.ask.answers import as_json, ask
from index.ask.questions import Question
from index.ask.searcher import open_index
from index.building.build import build
from index.contracts import SearchRequest
from index.spec import IndexSpec
from jobs.asking.answers_table import as_table
from jobs.demo.demo_material import voice
from jobs.indexing.build_index import lineage_of
from tests.embed.sounds import write_wave

SENTENCES = ("The market opens at six.", "Rain is expected tomorrow.", "The price of rice went up again.")


def test_from_sound_and_words_to_answers(tmp_path: Path, tiny_model: str) -> None:
    archive = tmp_path / "archive"
    archive.mkdir()
    pause = np.zeros(SAMPLE_RATE, np.float32)
    write_wave(archive / "programme.wav", pause, voice(2, 1), pause, voice(3, 2), pause, voice(2, 3))
    lines = [{"_id": f"news-{i}", "text": text, "station": "Dakar"} for i, text in enumerate(SENTENCES)]
    (archive / "news.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    model = load_joint(resolve_model(tiny_model))

    vectors = embedded(archive, tmp_path / "vectors", tiny_model, model)
    dataset = open_dataset(vectors)
    build(IndexSpec(vectors=vectors, output=str(tmp_path / "index")), dataset, lineage_of(dataset))
    index = open_index(str(tmp_path / "index"))

    # Typed: the role of a document makes the words of a passage find that passage itself.
    asked = Question(vector=model.encode([SENTENCES[1]], "document")[0])
    (typed,) = ask(index, model, [asked], SearchRequest(k=3, modality="text")).lists
    assert [answer.rank for answer in typed] == [1, 2, 3]
    assert (typed[0].item, typed[0].text, typed[0].uri) == ("news-1", SENTENCES[1], "archive/news.jsonl")
    assert typed[0].score > 0.999

    # Spoken: the second stretch of speech, cut out of the programme, is found where it was said.
    said = decode(str(archive / "programme.wav")).samples
    rows = dataset.table(["start_s", "end_s"]).to_pylist()
    span = next(
        (row["start_s"], row["end_s"]) for row in rows if row["start_s"] is not None and 3.5 < row["start_s"] < 4.5
    )
    stretch = said[int(span[0] * SAMPLE_RATE) : int(span[1] * SAMPLE_RATE)]
    asked = Question(vector=model.encode([stretch], "document")[0])
    (spoken,) = ask(index, model, [asked], SearchRequest(k=1, modality="speech")).lists
    assert (spoken[0].start_s, spoken[0].end_s, spoken[0].uri) == (*span, "archive/programme.wav")
    assert spoken[0].score > 0.999

    # Both kinds in one list, told to people and to programs.
    (anything,) = ask(index, model, [Question(text=SENTENCES[0])], SearchRequest(k=20)).lists
    assert ask(index, model, [Question(speech=stretch)], SearchRequest(k=20)).lists[0]
    assert {answer.modality for answer in anything} == {"speech", "text"}
    assert as_table(anything).row_count == len(anything)
    assert json.loads(json.dumps(as_json(anything)))[0]["rank"] == 1


def embedded(archive: Path, output: Path, name: str, model: JointEncoder) -> str:
    """What `deglu embed` does, without Ray: the url of the published dataset."""
    spec = EmbedSpec.parse({"inputs": [{"url": str(archive), "lang": "en"}], "output": str(output)})
    assets = list_assets(spec.inputs)
    prints = model.fingerprints
    words = words_of(resolve_model(name).spec.text.name)
    cutting = Cutting(spec.segment, spec.passage, words.digest)
    job = open_job(str(output), cutting.defining(), model.dims, prints.space, prints.encoder)
    units = plan_units(assets, cutting)

    def commit(rows: pa.Table, ledger: LedgerRow, failures: list[FailureRow]) -> None:
        commit_unit(job, rows, ledger, pa.Table.from_pylist(failures, schema=tables.FAILURES))

    cut, encode = cut_stage(cutting, words), EncodeUnits(model, commit)
    for i in range(units.num_rows):
        encode(cut.run(units.slice(i, 1)))
    version = publish(job, assets, planned_units(assets, cutting))
    assert imbalances(open_dataset(job.url).ledger(), units.num_rows) == []
    assert version.accounting.failed == 0
    return job.url
