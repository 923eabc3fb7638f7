"""Comparison of all contenders on one data set of the index bench: built, tuned or calibrated, and timed in turn."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from embed.encoder import FloatArray
from evaluate.bench.index.contender import Contender, Family, Promising, Setting
from evaluate.bench.index.measure import Point, Truth, cpu_seconds, points, walls
from evaluate.bench.index.tuning import CHOICE, MODES, TARGETS, Mode, Tuner, best_build, failure, log_progress, reason
from evaluate.bench.index.vectors import Vectors

PROMISES = (0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998, 0.999)  # of ours, for the curve
CURVE_ROUNDS = 2
WALL_THREADS = 2


@dataclass
class Entrant:
    """A built contender, and the settings at which it is timed."""

    family: str
    contender: Contender
    build_s: float  # CPU seconds of one thread
    bytes_per_vector: float
    tuning_s: float
    chosen: dict[tuple[float, Mode], Setting] = field(default_factory=dict)  # for the recalls that it reaches
    missed: dict[float, str] = field(default_factory=dict)  # for the other recalls, the reason
    curve: list[Setting] = field(default_factory=list)
    promising: Promising | None = None  # the contender, where it is ours


@dataclass(frozen=True)
class Comparison:
    """All measurements on one data set; `ours` are in the order in which `compare` got them."""

    data: Vectors
    report: Truth
    ours: list[Entrant]
    peers: dict[str, Entrant]  # by family
    missing: dict[str, str]  # families without a contender, and why
    points: dict[tuple[str, Setting], Point]  # by contender's name and setting
    walls: dict[str, float]  # queries per second by the wall clock at 0.99, by contender's name

    def point(self, entrant: Entrant, recall: float, mode: Mode) -> Point | None:
        """The reported point of the setting that reached a recall on the calibration queries; None: none did."""
        setting = entrant.chosen.get((recall, mode))
        return None if setting is None else self.points[entrant.contender.name, setting]


def compare(data: Vectors, ours: Sequence[Callable[[], Promising]], families: Sequence[Family]) -> Comparison:
    """Build, tune and time all contenders, minutes per 100,000 rows.  A peer that fails is missing, with its error."""
    calibration, report = (Truth.of(data.rows, queries) for queries in (data.calibration, data.report))
    promising = [own_entrant(make(), data.rows, data.calibration) for make in ours]
    peers: dict[str, Entrant] = {}
    missing = {family.name: family.missing for family in families if family.missing}
    for family in families:
        if family.missing is None:
            try:
                peers[family.name] = peer_entrant(family, calibration)
            except Exception as error:  # each library has its own kinds
                missing[family.name] = failure(error)
                log_progress(f"{family.name}: {missing[family.name]}")
    entrants = [*promising, *peers.values()]
    found = _timed(entrants, report)
    return Comparison(data, report, promising, peers, missing, found, _walls(entrants, report))


def own_entrant(one: Promising, rows: FloatArray, queries: FloatArray) -> Entrant:
    """Our contender, built and calibrated; it gives the setting for each recall itself."""
    build_s = cpu_seconds(lambda: one.build(rows))
    one.use_threads(1)
    tuning_s = cpu_seconds(lambda: one.calibrate(queries))
    entrant = Entrant(one.name, one, build_s, one.bytes_per_vector(), tuning_s, promising=one)
    entrant.chosen = {(recall, mode): one.promised(recall) for recall in TARGETS for mode in MODES}
    entrant.curve = [one.promised(recall) for recall in PROMISES]
    return _logged(entrant)


def peer_entrant(family: Family, truth: Truth) -> Entrant:
    """The family's best build, with the cheapest of its settings for each recall and way of asking."""
    peer = best_build(family, truth.rows, truth.queries)
    build_s = cpu_seconds(lambda: peer.build(truth.rows))
    peer.use_threads(1)
    tuner, entrant = Tuner(peer, truth), Entrant(family.name, peer, build_s, peer.bytes_per_vector(), 0)

    def tune() -> None:
        for recall in TARGETS:
            found = {mode: tuner.cheapest(recall, mode) for mode in MODES}
            entrant.chosen |= {(recall, mode): one for mode, one in found.items() if one is not None}
            if None in found.values():
                entrant.missed[recall] = reason(tuner, recall)

    entrant.tuning_s = cpu_seconds(tune)
    entrant.curve = tuner.front()
    return _logged(entrant)


def _timed(entrants: Sequence[Entrant], truth: Truth) -> dict[tuple[str, Setting], Point]:
    """The chosen settings are timed together, with all rounds; the rest of the curves afterwards, with fewer rounds."""
    by_name = {entrant.contender.name: entrant.contender for entrant in entrants}
    chosen = dict.fromkeys((one.contender.name, setting) for one in entrants for setting in one.chosen.values())
    rest = dict.fromkeys((one.contender.name, setting) for one in entrants for setting in one.curve)
    curve = [key for key in rest if key not in chosen]
    log_progress(f"timing {len(chosen)} chosen settings and {len(curve)} more")
    main = points([(by_name[name], setting) for name, setting in chosen], truth)
    more = points([(by_name[name], setting) for name, setting in curve], truth, CURVE_ROUNDS)
    return dict(zip([*chosen, *curve], [*main, *more], strict=True))


def _walls(entrants: Sequence[Entrant], truth: Truth) -> dict[str, float]:
    """Queries per second at 0.99 in one batch; empty on a machine with one core."""
    if len(os.sched_getaffinity(0)) < WALL_THREADS:
        return {}
    asked: Mapping[str, tuple[Contender, Setting]] = {
        one.contender.name: (one.contender, one.chosen[CHOICE, "batch"])
        for one in entrants
        if (CHOICE, "batch") in one.chosen
    }
    return walls(asked, truth, WALL_THREADS)


def _logged(entrant: Entrant) -> Entrant:
    log_progress(
        f"{entrant.contender.name}: built in {entrant.build_s:.1f} CPU-s, tuned in {entrant.tuning_s:.1f} CPU-s, "
        f"{entrant.bytes_per_vector:.0f} bytes/vector"
    )
    return entrant
