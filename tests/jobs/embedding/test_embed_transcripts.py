"""`deglu embed` on recordings with transcripts: what was spoken is shown with each hit, and is never outdated."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from embed.dataset import open_dataset
from embed.encoder import SAMPLE_RATE
from index.ask.answers import ask
from index.ask.questions import Question
from index.ask.searcher import open_index
from index.building.build import build
from index.contracts import SearchRequest
from index.spec import IndexSpec
from jobs.demo.demo_material import voice
from jobs.embedding import embed_archive as job
from jobs.embedding.embed_archive import embed_archive
from jobs.indexing.build_index import lineage_of
from jobs.indexing.update_index import append_rows
from jobs.operate.verify import verify
from tests.jobs.embedding.small_archive import spec_of

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session", "light"), pytest.mark.slow]
VTT = "WEBVTT\n\n00:00.000 --> 00:02.600\n{first}\n\n00:03.400 --> 00:05.200\n{second}\n"


def test_what_was_spoken_is_shown_with_each_hit(
    tmp_path: Path, tiny_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, url = tmp_path / "in", str(tmp_path / "out")
    folder.mkdir()
    pieces = [voice(2.5, 1), np.zeros(SAMPLE_RATE, np.float32), voice(1.5, 11)]
    for name in ("programme", "other"):
        soundfile.write(folder / f"{name}.wav", np.concatenate(pieces), SAMPLE_RATE)
    (folder / "programme.fr.vtt").write_text(VTT.format(first="Le marché rouvre.", second="Il pleut."))
    (folder / "other.json").write_text('{"segments": [')
    spec = spec_of(folder, url, tiny_model, inputs=[{"url": str(folder), "name": "in", "transcripts": "joined"}])

    # A transcript that is broken is a failure by name; its recording is embedded.
    report = embed_archive(spec)
    assert (report.exit_code, report.assets, report.failures, report.new_units) == (3, 2, 1, 2)
    (failure,) = open_dataset(url).failures().to_pylist()
    assert (failure["uri"], failure["stage"], failure["lost_s"]) == ("in/other.wav", "transcript", 0.0)
    assert "other.json: not readable as JSON" in failure["message"]
    first = rows_of(url)
    assert {row["text"] for row in first if row["uri"] == "in/other.wav"} == {None}
    programme = [row for row in first if row["uri"] == "in/programme.wav"]
    assert {row["text"] for row in programme} == {"Le marché rouvre.", "Il pleut."}
    assert {(row["lang"], dict(row["metadata"])["transcript_lang"]) for row in programme} == {("fr", "fr")}

    # A hit has it.
    index = IndexSpec(vectors=url, output=str(tmp_path / "index"))
    dataset = open_dataset(url)
    build(index, dataset, lineage_of(dataset))
    wanted = next(row for row in programme if row["text"] == "Il pleut.")
    asked = Question(vector=np.asarray(wanted["vector"], np.float32))

    def shown() -> list[str]:
        """The texts of the hits at the place of `wanted`, the two recordings alike."""
        hits = ask(open_index(index.output), None, [asked], SearchRequest(k=4)).lists[0]
        return sorted(hit.text or "" for hit in hits if hit.start_s == wanted["start_s"])

    assert shown() == ["", "Il pleut."]

    # Corrected while a run was killed: its units are committed, with the texts of before.
    (folder / "other.json").write_text('{"segments": [{"start": 0, "end": 2.5, "text": "Un."}]}')
    with monkeypatch.context() as patch:
        patch.setattr(job, "_published", interrupted)
        with pytest.raises(KeyboardInterrupt):
            embed_archive(spec)
    (folder / "other.json").write_text('{"segments": [{"start": 0, "end": 2.5, "text": "Deux."}]}')
    (folder / "programme.fr.vtt").write_text(VTT.format(first="Le marché ferme.", second="Il neige."))
    report = embed_archive(spec)
    assert (report.exit_code, report.failures, report.new_units) == (0, 0, 2)
    second = rows_of(url)
    assert not {row["segment_id"] for row in second} & {row["segment_id"] for row in first}
    assert [row["vector"] for row in second] == [row["vector"] for row in first]
    assert {row["text"] for row in second} == {"Le marché ferme.", "Il neige.", "Deux.", None}
    assert verify(url).exit_code == 0
    append_rows(index)
    assert shown() == ["", "Il neige."]

    # Nothing new, then other metadata: rows are written again and keep their texts.
    assert embed_archive(spec).new_units == 0
    described = {"url": str(folder), "name": "in", "transcripts": "joined", "metadata": {"station": "Dakar"}}
    report = embed_archive(spec_of(folder, url, tiny_model, inputs=[described]))
    assert report.new_units == 0
    third = rows_of(url)
    assert {dict(row["metadata"])["station"] for row in third} == {"Dakar"}
    assert [row["text"] for row in third] == [row["text"] for row in second]


def rows_of(url: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = open_dataset(url).table().to_pylist()
    return sorted(found, key=lambda row: (row["uri"], row["start_s"], row["end_s"]))


def interrupted(*_: Any) -> None:
    raise KeyboardInterrupt
