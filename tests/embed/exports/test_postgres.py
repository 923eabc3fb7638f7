"""The real PostgreSQL with pgvector, from the package `pgserver`: it loads the export and finds the same rows."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from embed.dataset import VectorsDataset, open_dataset
from embed.dataset.publish import publish
from embed.exports.export import export_vectors
from tests.embed.vectors import begin, commit, manifest

TEXTS = ("one", 'two, "2"\n', "", "x\0y\\.", "ששש")


@pytest.mark.campaign
def test_pgvector_loads_the_export_and_finds_the_same(tmp_path: Path) -> None:
    pgserver = pytest.importorskip("pgserver")
    url = str(tmp_path / "vectors")
    job = begin(url)
    commit(job, "a", *TEXTS)
    publish(job, manifest("a"))
    dataset = open_dataset(url)
    export_vectors(dataset, str(tmp_path / "out"), "pgvector")
    server = pgserver.get_server(tmp_path / "server")
    try:
        psql = [str(Path(pgserver.__file__).parent / "pginstall" / "bin" / "psql"), server.get_uri()]
        subprocess.run([*psql, "-v", "ON_ERROR_STOP=1", "-f", "load.sql"], cwd=tmp_path / "out", check=True)
        assert _rows(psql, "select text from deglu_vectors") == sorted(text.replace("\0", "") for text in TEXTS)
        assert _rows(psql, "select metadata->>'station' from deglu_vectors limit 1") == ["Dakar"]
        for text, axis in zip(TEXTS[:4], np.eye(4), strict=True):
            nearest = (
                f"select id, 1 - (vector <=> '{axis.tolist()}') as cosine from deglu_vectors order by 2 desc limit 2"
            )
            (best,) = _rows(psql, f"select id from ({nearest}) n where cosine > 0.999 and id = '{_id(dataset, text)}'")
            assert best == _id(dataset, text)
    finally:
        server.cleanup()


def _rows(psql: list[str], query: str) -> list[str]:
    done = subprocess.run(
        [*psql, "-At", "-c", f"select to_json(v) from ({query}) q(v)"], stdout=subprocess.PIPE, check=True
    )
    return sorted(json.loads(line) for line in done.stdout.decode().splitlines())


def _id(dataset: VectorsDataset, text: str) -> str:
    table = dataset.table(["segment_id", "text"])
    place = table["text"].to_pylist().index(text)
    return str(table["segment_id"][place].as_py().hex())
