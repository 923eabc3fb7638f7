"""The rows of the bench of the service, its index and its turns; the services themselves take minutes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed.encoder import Batch, FloatArray, Role
from evaluate.bench.serve import __main__ as serve
from evaluate.bench.serve import archive
from evaluate.bench.serve.archive import Archive, spoken_questions, typed_questions
from evaluate.bench.serve.load import Taken
from evaluate.bench.serve.servers import Server
from evaluate.bench.shape import plain
from index.parts.artifact import read_manifest


def taken(answers: int, each_ms: float) -> Taken:
    costs = {"wait_ms": [0.5], "encode_ms": [4.0], "search_ms": [1.0]}
    return Taken(2.0, [each_ms] * answers, costs, [], {1})


def test_each_measure_is_a_row_against_each_peer() -> None:
    ours = {("typed", clients, "gathered"): taken(600, 10.0) for clients in serve.CLIENTS}
    single = {("typed", clients, "single"): taken(100, 50.0) for clients in serve.CLIENTS}
    both: Any = ours | single
    rows = {(row["measure"], row["against"]): row for row in map(plain, serve.rows_of(both, dict.fromkeys(both, 2.0)))}
    most = rows["answers, typed, 64 clients", serve.NAMES["single"]]
    assert (most["ours"], most["theirs"], most["ratio"], most["met"]) == (300.0, 50.0, 6.0, True)
    assert rows["p99, typed, 1 client", serve.NAMES["single"]]["ratio"] == 5.0
    assert rows["answers per CPU second, typed, 8 clients", serve.NAMES["single"]]["ours"] == 300.0
    assert rows["of which encode, p50, typed, 8 clients", serve.NAMES["single"]]["ours"] == 4.0
    assert rows["search, p99, typed, 1 client", "the goal"]["met"]
    assert rows["questions answered, all turns", "the goal"]["met"]
    assert rows["answers, typed", serve.NAMES["library"]]["theirs"] is None


class Turning:
    """A load that notes who was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def __call__(self, url: str, questions: Sequence[Any], clients: int, seconds: float) -> Taken:
        self.asked.append((url, clients))
        return taken(1, seconds * 1000)


def test_services_take_turns_of_the_same_length(monkeypatch: pytest.MonkeyPatch) -> None:
    load, servers = Turning(), {kind: Server(kind, 1) for kind in ("gathered", "single", "library")}
    monkeypatch.setattr(serve, "load", load)
    monkeypatch.setattr(Server, "cpu_s", lambda self: 1.0)
    found, cpu_s = serve.turns(servers, {"typed": ["a"], "spoken": [b"b"]}, 1.0)  # type: ignore[arg-type]
    assert len(found) == len(cpu_s) == 15  # three for typed, two for spoken, by three numbers of clients
    (length_ms,) = {one.latencies_ms[0] for one in found.values()}
    assert length_ms == pytest.approx(60_000 * 0.75 / 15 / serve.ROUNDS)
    rounds = load.asked[15:]
    assert rounds[:15] == rounds[15:][::-1]


def test_a_version_that_did_not_take_over_is_a_failure() -> None:
    row = serve._swap_row(Taken(5.0, [1.0] * 10, versions={1, 2, 3, 4}))
    assert row.met
    assert "3 versions took over" in row.measure
    assert not serve._swap_row(Taken(5.0, [1.0] * 10, versions={1, 2})).met
    assert not serve._swap_row(Taken(5.0, [1.0] * 10, failures=["500: a fault"], versions={1, 2, 3, 4})).met


class Words:
    """An encoder whose vectors are random, and the same for the same text."""

    dims = (16, 8)

    def encode(self, batch: Batch, role: Role) -> FloatArray:
        return np.stack([np.random.default_rng(len(str(one))).standard_normal(16) for one in batch]).astype(np.float32)


@pytest.mark.slow
def test_the_index_grows_by_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "load_model", lambda handle, speech: Words())
    made = Archive(tmp_path / "index", 200)
    made.grow(10)
    found = read_manifest(made.url)
    assert (found.number, found.rows) == (2, 210)


def test_questions_are_none_of_the_sentences() -> None:
    assert len(typed_questions()) == len(set(typed_questions())) >= 100
    assert not set(typed_questions()) & set(archive.sentences())
    assert all(one.startswith(b"RIFF") for one in spoken_questions())
