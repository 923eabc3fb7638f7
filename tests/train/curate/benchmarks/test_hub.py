"""Benchmarks of Parquet files as the hub has them, on small files of that shape, asked as `evaluate` asks."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from embed.errors import InputError
from evaluate.benchmarks.benchmark import Chosen, Modality
from evaluate.benchmarks.named import read_benchmark
from evaluate.spec import TaskSpec
from train.curate.clip import read_clip

FRENCH = {1: "le chat dort", 2: "il pleut", 3: "la mer"}
ENGLISH = {1: "the cat sleeps", 2: "it rains", 3: "the sea"}
WOLOF = {1: "muus mi nelaw", 2: "dafay taw", 3: "géej gi"}


def sound(tone_hz: float) -> dict[str, Any]:
    """A recording as `datasets` writes it: the bytes of a file and its name."""
    out = io.BytesIO()
    soundfile.write(out, 0.3 * np.sin(np.arange(8000) * tone_hz * 2 * np.pi / 16000), 16000, format="WAV")
    return {"bytes": out.getvalue(), "path": f"{tone_hz:g}.wav"}


def write(path: Path, columns: Mapping[str, Sequence[Any]], **described: Any) -> None:
    """A Parquet file; columns that are described are so in its metadata, as `datasets` does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    features = {"audio": {"_type": "Audio"}} | described
    metadata = {"huggingface": json.dumps({"info": {"features": features}})} if described else None
    pq.write_table(pa.table(dict(columns)).replace_schema_metadata(metadata), path)


def fleurs(path: Path, texts: Mapping[int, str], ids: Sequence[int], lang: int) -> None:
    names = {"_type": "ClassLabel", "names": ["en_us", "fr_fr", "wo_sn"]}
    rows = {"id": ids, "audio": [sound(100.0 * id) for id in ids], "transcription": [texts[id] for id in ids]}
    write(path, rows | {"lang_id": [lang] * len(ids)}, lang_id=names)


def asked(monkeypatch: pytest.MonkeyPatch, cache: Path, query: Modality, document: Modality, **task: Any) -> Chosen:
    monkeypatch.setenv("DEGLU_CACHE", str(cache))
    one = TaskSpec.model_validate({"direction": f"{query}-to-{document}", "part": "test"} | task)
    return read_benchmark(one).chosen(one.part, query, document, one.query_lang, one.document_lang)


def texts(found: Chosen) -> list[tuple[str, list[str]]]:
    return [
        (query.text, sorted(found.documents[row].text for row in right))
        for query, right in zip(found.queries, found.answers, strict=True)
    ]


def test_sentences_of_fleurs_join_languages_and_keep_their_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "fleurs"
    fleurs(data / "fr_fr/test/0000.parquet", FRENCH, [2, 1, 2], lang=1)
    fleurs(data / "en_us/test/0000.parquet", ENGLISH, [1, 2, 3], lang=0)
    fleurs(data / "fr_fr/train/0000.parquet", FRENCH, [3], lang=1)
    given = {"benchmark": "fleurs", "data": str(data), "query_lang": "fr", "document_lang": "en"}
    spoken = asked(monkeypatch, tmp_path, "speech", "text", **given)
    assert texts(spoken) == [
        ("il pleut", ["it rains"]),
        ("le chat dort", ["the cat sleeps"]),
        ("il pleut", ["it rains"]),
    ]
    assert sorted(one.text for one in spoken.documents) == sorted(ENGLISH.values())  # all texts of the part
    assert [len(read_clip(one.clip("x"))) for one in spoken.queries] == [8000] * 3  # the bytes in the table
    back = {**given, "query_lang": "en", "document_lang": "fr"}
    typed = asked(monkeypatch, tmp_path, "text", "speech", **back)
    assert texts(typed) == [("it rains", ["il pleut"] * 2), ("the cat sleeps", ["le chat dort"])]
    assert texts(asked(monkeypatch, tmp_path, "text", "text", **given)) == [
        ("il pleut", ["it rains"]),
        ("le chat dort", ["the cat sleeps"]),
    ]
    same = asked(monkeypatch, tmp_path, "speech", "speech", **given)
    assert texts(same) == [("il pleut", ["it rains"]), ("le chat dort", ["the cat sleeps"]), ("il pleut", ["it rains"])]
    with pytest.raises(InputError, match=r"dev.tsv: missing; parts here: test"):
        asked(monkeypatch, tmp_path, "speech", "text", **given, part="dev")


def test_minds14_has_languages_by_row_and_one_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"_type": "ClassLabel", "names": ["en-GB", "fr-FR"]}
    columns: dict[str, Sequence[Any]] = {
        "audio": [sound(200), sound(300), sound(400)],
        "transcription": ["le solde", "how much", "ma carte"],
        "english_transcription": ["the balance", "how much", "my card"],
        "lang_id": [1, 0, 1],
    }
    write(tmp_path / "data/all/train-00000-of-00001.parquet", columns, lang_id=names)
    given = {"benchmark": "minds14", "data": str(tmp_path / "data"), "query_lang": "fr", "document_lang": "en"}
    for part in ("dev", "test"):
        found = asked(monkeypatch, tmp_path, "speech", "text", **given, part=part)
        assert texts(found) == [("le solde", ["the balance"]), ("ma carte", ["my card"])]
        assert len(found.documents) == 3


def test_wolbanking77_and_kallaama_are_wolof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "w/test.parquet", {"audio": [sound(200), sound(300)], "text": [WOLOF[1], WOLOF[2]]})
    given = {"benchmark": "wolbanking77", "data": str(tmp_path / "w/test.parquet"), "query_lang": "wo"}
    found = asked(monkeypatch, tmp_path, "speech", "text", **given, document_lang="wo")
    assert texts(found) == [(WOLOF[1], [WOLOF[1]]), (WOLOF[2], [WOLOF[2]])]
    folder = tmp_path / "k"
    write(folder / "queries/train-0.parquet", {"_id": ["q1", "q2"], "audio": [sound(200), sound(300)]})
    write(folder / "corpus/train-0.parquet", {"_id": [1, 2], "text": [FRENCH[1], FRENCH[2]]})
    write(folder / "qrels/train-0.parquet", {"query-id": ["q1", "q2"], "corpus-id": [2, 1]})
    given = {"benchmark": "kallaama", "data": str(folder), "query_lang": "wo", "document_lang": "fr"}
    assert texts(asked(monkeypatch, tmp_path, "speech", "text", **given)) == [("", [FRENCH[2]]), ("", [FRENCH[1]])]
    (folder / "qrels/train-0.parquet").unlink()
    with pytest.raises(InputError, match="no Parquet files of qrels; kallaama has queries, corpus and qrels"):
        asked(monkeypatch, tmp_path, "speech", "text", **given)


WRONG: dict[str, Mapping[str, Sequence[Any]]] = {
    r"0.parquet: no column 'transcription'; it has id, audio": {"id": [1], "audio": [sound(200)]},
    r"0.parquet: no column of sounds; fleurs has `audio`": {"id": [1], "transcription": ["a"]},
    r"0.parquet: its language is unknown; put it into a folder": {"id": [1], "transcription": ["a"]},
}


@pytest.mark.parametrize("message", WRONG)
def test_what_is_wrong_is_named_by_file(message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / ("x" if "unknown" in message else "fr_fr") / "0.parquet", WRONG[message])
    given = {"benchmark": "fleurs", "data": str(tmp_path), "query_lang": "fr", "document_lang": "fr"}
    with pytest.raises(InputError, match=message):
        asked(monkeypatch, tmp_path, "speech", "text", **given)
    with pytest.raises(InputError, match=r"none: no .parquet files; give the folder that has them"):
        asked(monkeypatch, tmp_path, "speech", "text", **{**given, "data": str(tmp_path / "none")})
