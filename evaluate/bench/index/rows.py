"""Rows of the index bench: a comparison as measurements, with the goals for each data set."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from evaluate.bench.index.compare import WALL_THREADS, Comparison, Entrant
from evaluate.bench.index.measure import Point, kept
from evaluate.bench.index.peers import flat as index_flat
from evaluate.bench.index.peers import graphs as index_graphs
from evaluate.bench.index.tuning import CHOICE, MODES, TARGETS, Mode
from evaluate.bench.shape import Row

WAYS = {"batch": "in one batch", "single": "one at a time"}
KEPT = 0.95  # share of query sets that must reach the promised recall
TUNING_S = 60.0  # CPU seconds per million rows
FIXED_TIME, FIXED_ROWS = 1.3, 1.5  # the gains of adaptive over fixed depth to reach at 0.99

NAIVE, GRAPH = "naive Matryoshka two-stage", "best graph"
# Several families share one name: at each recall and mode the quickest of them counts.
TOGETHER = {
    NAIVE: [family.name for family in index_flat.FAMILIES if family.name.startswith(NAIVE)],
    GRAPH: [family.name for family in index_graphs.FAMILIES if family.name.startswith(("faiss HNSW", "SVS"))],
}


@dataclass(frozen=True)
class Goals:
    """Ratios to reach, by (against, recall), or (against, recall, mode) where the modes differ; memory and build."""

    speed: dict[tuple[str, float] | tuple[str, float, Mode], float]
    memory: float
    build: float

    def of(self, against: str, recall: float, mode: Mode) -> float | None:
        return self.speed.get((against, recall, mode), self.speed.get((against, recall)))


GOALS = {
    "transformer": Goals(
        {
            (NAIVE, 0.99): 6,
            ("hnswlib", 0.99): 4,
            ("hnswlib", 0.95): 3,
            (GRAPH, 0.99): 2.5,
            (GRAPH, 0.95): 2,
            ("ScaNN", 0.999): 1.5,
            ("ScaNN", 0.99): 1.5,
            ("ScaNN", 0.95): 1,
        },
        memory=3,
        build=15,
    ),
    "static": Goals(
        {
            (NAIVE, 0.99): 10,
            ("hnswlib", 0.99): 5,
            ("hnswlib", 0.95): 2,
            (GRAPH, 0.99): 3,
            (GRAPH, 0.95): 1.5,
            ("ScaNN", 0.99, "batch"): 2,
            ("ScaNN", 0.99, "single"): 2.5,
        },
        memory=3,
        build=20,
    ),
}


def rows_of(found: Comparison) -> list[Row]:
    """All rows of one data set; the first of ours is compared with all peers and with the others of ours."""
    ours, *others = found.ours
    rows = [row for name, members in _groups(found) for row in _speeds(found, ours, name, members)]
    rows += [row for other in others for row in _against_own(found, ours, other)]
    rows += [row for name in _families(found) for row in _sizes(found, ours, name)]
    return rows + list(_promises(found, ours))


def _groups(found: Comparison) -> list[tuple[str, list[str]]]:
    """The names that are compared in speed, and their families; the two naive families only as one."""
    together = [(name, [one for one in members if one in _families(found)]) for name, members in TOGETHER.items()]
    single = [(name, [name]) for name in _families(found) if name not in TOGETHER[NAIVE]]
    return [(name, members) for name, members in together if members] + single


def _families(found: Comparison) -> list[str]:
    return [*found.peers, *found.missing]


def _speeds(found: Comparison, ours: Entrant, name: str, members: Sequence[str]) -> Iterator[Row]:
    goals, entrants = GOALS.get(found.data.name), _entrants(found, members)
    for recall in TARGETS if entrants else (CHOICE,):  # a missing peer has one row
        for mode in MODES:
            mine, theirs = _best(found, [ours], recall, mode), _best(found, entrants, recall, mode)
            assert mine is not None
            yield Row(
                f"{_what(found)}: recall@10 {recall:g}, {WAYS[mode]}",
                name,
                _speed(mine, mode),
                None if theirs is None else _speed(theirs, mode),
                "queries/cpu-s",
                None if goals is None else goals.of(name, recall, mode),
                _why_not(found, members, recall) if theirs is None else f"{_summary(mine)}; {_summary(theirs)}",
            )
    if entrants and ours.contender.name in found.walls:
        yield _wall(found, ours, name, members)


def _wall(found: Comparison, ours: Entrant, name: str, members: Sequence[str]) -> Row:
    speeds = {one.contender.name: found.walls.get(one.contender.name) for one in _entrants(found, members)}
    best = max((speed for speed in speeds.values() if speed is not None), default=None)
    return Row(
        f"{_what(found)}: recall@10 {CHOICE:g}, in one batch, {WALL_THREADS} threads by the clock",
        name,
        found.walls[ours.contender.name],
        best,
        "queries/s",
        reason=_why_not(found, members, CHOICE) if best is None else None,
    )


def _against_own(found: Comparison, ours: Entrant, other: Entrant) -> Iterator[Row]:
    """The gain from adapting, in a batch: one question at a time, only the adaptive depth has the compiled call."""
    name = other.contender.name
    for recall in TARGETS:
        mine, theirs = _best(found, [ours], recall, "batch"), _best(found, [other], recall, "batch")
        assert mine is not None
        assert theirs is not None
        goal = FIXED_TIME if recall == CHOICE else None
        what, both = f"{_what(found)}: recall@10 {recall:g}, {WAYS['batch']}", f"{_summary(mine)}; {_summary(theirs)}"
        yield Row(what, name, mine.batch, theirs.batch, "queries/cpu-s", goal, both)
        fewer, more = _rows_read(found, ours, recall), _rows_read(found, other, recall)
        goal = FIXED_ROWS if recall == CHOICE else None
        what = f"{_what(found)}: rows read at recall@10 {recall:g}"
        yield Row(what, name, fewer, more, "rows/query", goal, lower_is_better=True)


def _sizes(found: Comparison, ours: Entrant, name: str) -> Iterator[Row]:
    """Memory and build against one family."""
    theirs, goals = found.peers.get(name), GOALS.get(found.data.name) if name == "hnswlib" else None
    why = None if theirs else found.missing[name]
    memory = theirs.bytes_per_vector if theirs else None
    build_s = theirs.build_s if theirs else None
    ratios = (goals.memory, goals.build) if goals else (None, None)
    what = _what(found)
    mine = ours.bytes_per_vector
    yield Row(f"{what}: memory", name, mine, memory, "bytes/vector", ratios[0], why, lower_is_better=True)
    yield Row(f"{what}: build", name, ours.build_s, build_s, "cpu-s", ratios[1], why, lower_is_better=True)


def _promises(found: Comparison, ours: Entrant) -> Iterator[Row]:
    for recall in TARGETS:
        setting = ours.chosen[recall, "batch"]
        recalls = found.report.recall(ours.contender.search(found.report.queries, found.report.k, setting))
        share = kept(recalls, recall)
        what = f"{_what(found)}: share of re-drawn query sets with recall@10 of {recall:g} at least"
        yield Row(f"{what}, mean {recalls.mean():.4f}", "the promise", share, 1, "", KEPT)
    spent = ours.tuning_s / len(found.data.rows) * 1e6
    yield Row(f"{_what(found)}: tuning", "a minute", spent, TUNING_S, "cpu-s/million rows", 1, lower_is_better=True)


def _rows_read(found: Comparison, entrant: Entrant, recall: float) -> float:
    assert entrant.promising is not None
    return entrant.promising.rows_read(found.report.queries, entrant.chosen[recall, "batch"])


def _entrants(found: Comparison, members: Sequence[str]) -> list[Entrant]:
    return [found.peers[name] for name in members if name in found.peers]


def _best(found: Comparison, entrants: Sequence[Entrant], recall: float, mode: Mode) -> Point | None:
    reached = [point for one in entrants if (point := found.point(one, recall, mode))]
    return max(reached, key=lambda point: _speed(point, mode), default=None)


def _why_not(found: Comparison, members: Sequence[str], recall: float) -> str:
    missed = {one.family: one.missed.get(recall) for one in _entrants(found, members)} | found.missing
    return "; ".join(str(missed[name]) for name in members if missed.get(name))


def _speed(point: Point, mode: Mode) -> float:
    return point.batch if mode == "batch" else point.single


def _summary(point: Point) -> str:
    return f"{point.contender} at {point.setting}: recall@10 {point.recall:.4f}"


def _what(found: Comparison) -> str:
    n, width = found.data.rows.shape
    return f"{found.data.name}, {n} x {width}"
