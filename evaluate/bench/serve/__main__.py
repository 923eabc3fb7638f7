"""Bench of the search service: `python -m evaluate.bench.serve [--minutes M] [--json] [--out FILE] [--n N]`.

Closed loops of 1, 8 and 64 clients ask typed and spoken questions of `deglu serve` in a process of its own, and in turn
of the same application that encodes one question after the other, and (typed) of sentence-transformers behind FastAPI.
The clients share this machine's cores with the service.  Then eight clients ask while the index is appended to three
times: each new version takes over, and no question fails.

The rows are made up: vectors of a few hundred sentences with noise, at the released model's width and in its space, so
that typed questions have neighbours.  `--n` is their number (100,000).
"""

import argparse
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from evaluate.bench.command import run_one
from evaluate.bench.serve.archive import Archive, spoken_questions, typed_questions
from evaluate.bench.serve.load import Question, Taken, load
from evaluate.bench.serve.servers import Kind, Server, serving
from evaluate.bench.shape import Row, document

ROWS, MINUTES, ROUNDS = 100_000, 1.5, 2
CLIENTS = (1, 8, 64)
SWAPS, SWAP_ROWS, SWAP_CLIENTS = 3, 100, 8
SWAP_SHARE = 0.25  # of the time; the rest is for the turns
PATIENCE_S = 60.0  # until a new version answers
SEARCH_GOAL_MS, GATHERING_GOAL = 2.0, 5.0
PACKAGES = ("torch", "faiss-cpu", "fastapi", "uvicorn", "aiohttp", "sentence-transformers")
NAMES: dict[Kind, str] = {
    "single": "the same service, one question encoded at a time",
    "library": "sentence-transformers behind FastAPI",
}

Turn = tuple[str, int, Kind]  # what is asked, by how many clients, and of whom


def bench(n: int | None = None, minutes: float = MINUTES) -> dict[str, Any]:
    """Latencies and throughput of n rows, in about so many minutes of load."""
    with TemporaryDirectory(prefix="deglu-serve-") as folder, ExitStack() as running:
        archive = Archive(Path(folder) / "index", n or ROWS)
        kinds: list[Kind] = ["gathered", "single"]
        if find_spec("sentence_transformers"):
            kinds.append("library")
        servers = {kind: running.enter_context(serving(kind, archive.url)) for kind in kinds}
        taken, cpu_s = turns(servers, {"typed": typed_questions(), "spoken": spoken_questions()}, minutes)
        swapped = swaps(servers["gathered"], archive, typed_questions(), minutes * 60 * SWAP_SHARE)
    rows = [*rows_of(taken, cpu_s), _swap_row(swapped)]
    return document("serve", rows, PACKAGES)


def turns(
    servers: Mapping[Kind, Server], questions: Mapping[str, Sequence[Question]], minutes: float
) -> tuple[dict[Turn, Taken], dict[Turn, float]]:
    """What each server answered and the CPU seconds it took; they take turns, every other round in reverse order."""
    wanted = [
        (what, clients, kind)
        for what in questions
        for clients in CLIENTS
        for kind in servers
        if kind != "library" or what == "typed"
    ]
    for what, _, kind in wanted:
        load(servers[kind].url, questions[what], 1, 0.5)  # warm
    seconds = minutes * 60 * (1 - SWAP_SHARE) / len(wanted) / ROUNDS
    taken: dict[Turn, Taken] = {turn: Taken() for turn in wanted}
    cpu_s = dict.fromkeys(wanted, 0.0)
    for number in range(ROUNDS):
        for turn in wanted[:: -1 if number % 2 else 1]:
            what, clients, kind = turn
            before = servers[kind].cpu_s()
            taken[turn].add(load(servers[kind].url, questions[what], clients, seconds))
            cpu_s[turn] += servers[kind].cpu_s() - before
    return taken, cpu_s


def swaps(server: Server, archive: Archive, questions: Sequence[Question], seconds: float) -> Taken:
    """What clients were answered while the index got three new versions."""
    done = threading.Event()

    def grow() -> None:
        for _ in range(SWAPS):
            time.sleep(seconds / (SWAPS + 1))
            archive.grow(SWAP_ROWS)
        newest, deadline = SWAPS + 1, time.perf_counter() + PATIENCE_S
        while time.perf_counter() < deadline and newest not in load(server.url, questions, 1, 0.1).versions:
            time.sleep(0.2)
        done.set()

    growing = threading.Thread(target=grow)
    growing.start()
    taken = load(server.url, questions, SWAP_CLIENTS, seconds, done.is_set)
    growing.join()
    return taken


def rows_of(taken: Mapping[Turn, Taken], cpu_s: Mapping[Turn, float]) -> Iterator[Row]:
    """Each measure of ours against each peer's; the search against its goal."""
    for (what, clients, kind), theirs in taken.items():
        if kind == "gathered":
            continue
        turn: Turn = (what, clients, "gathered")
        ours, name = taken[turn], f"{what}, {clients} client{'s' if clients > 1 else ''}"
        goal = GATHERING_GOAL if clients == max(CLIENTS) and kind == "single" else None
        yield Row(f"answers, {name}", NAMES[kind], ours.per_s, theirs.per_s, "answers/s", goal)
        both = ours.answers / max(cpu_s[turn], 0.01), theirs.answers / max(cpu_s[what, clients, kind], 0.01)
        yield Row(f"answers per CPU second, {name}", NAMES[kind], *both, "answers/cpu-s")
        for percentile in (50, 99):
            both = ours.latency_ms(percentile), theirs.latency_ms(percentile)
            yield Row(f"p{percentile}, {name}", NAMES[kind], *both, "ms", lower_is_better=True)
        if kind == "single":
            for part in ("wait", "encode", "search"):
                both = ours.cost_ms(f"{part}_ms", 50), theirs.cost_ms(f"{part}_ms", 50)
                yield Row(f"of which {part}, p50, {name}", NAMES[kind], *both, "ms", lower_is_better=True)
    found = taken["typed", 1, "gathered"].cost_ms("search_ms", 99)
    yield Row("search, p99, typed, 1 client", "the goal", found, SEARCH_GOAL_MS, "ms", 1.0, lower_is_better=True)
    if "library" not in {kind for _, _, kind in taken}:
        reason = "sentence-transformers is not installed"
        yield Row(
            "answers, typed", NAMES["library"], taken["typed", 1, "gathered"].per_s, None, "answers/s", reason=reason
        )
    failures = [one for some in taken.values() for one in some.failures]
    share = 1 - len(failures) / max(1, len(failures) + sum(some.answers for some in taken.values()))
    yield Row("questions answered, all turns", "the goal", share, 1.0, "share", 1.0)


def _swap_row(taken: Taken) -> Row:
    versions = len(taken.versions)
    what = (
        f"questions answered in {taken.seconds:.0f} s while {versions - 1} versions took over, {taken.answers:,} asked"
    )
    return Row(what, "the goal", taken.share if versions == SWAPS + 1 else 0.0, 1.0, "share", 1.0)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--minutes", type=float, default=MINUTES)
    own, rest = parser.parse_known_args(arguments)
    return run_one("serve", lambda n: bench(n, own.minutes), rest)


if __name__ == "__main__":
    sys.exit(main())
