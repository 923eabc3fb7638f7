"""The adaptive two-stage index against its peers, at equal recall@10, in one batch and one question at a time.

`python -m evaluate.bench.index [--json] [--out FILE] [--n N] [--only transformer|static]`.  Every peer is tuned over
its own grid on calibration queries and reported on others; ours gets the recall and looks up the depth.  The document
also has the curves (`points`), which `python -m evaluate.bench.index.plot` draws.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from embed.errors import DataUnavailable
from evaluate.bench.command import run_one
from evaluate.bench.index.compare import Comparison, Entrant, compare
from evaluate.bench.index.contender import Family, Promising
from evaluate.bench.index.ours import Fixed, Ours
from evaluate.bench.index.peers.families import FAMILIES, PACKAGES
from evaluate.bench.index.rows import rows_of
from evaluate.bench.index.tuning import log_progress
from evaluate.bench.index.vectors import QUERIES, SOURCES, Vectors, texts_for
from evaluate.bench.shape import document
from evaluate.bench.timing import one_thread

LEAST_ROWS = 500  # an index over fewer shows nothing
OURS: tuple[Callable[[], Promising], ...] = (Ours, Fixed)


def bench(n: int | None = None, only: str | None = None) -> dict[str, Any]:
    """n rows of each data set, at least 500; without n its default number."""
    found, left_out = [], []
    for name in [only] if only else SOURCES:
        try:
            data = vectors(name, n)
        except DataUnavailable as error:
            if only:
                raise
            left_out.append(str(error))
            log_progress(left_out[-1])
        else:
            found.append(data)
    if not found:
        raise DataUnavailable("; ".join(left_out))
    return assembled((compared(data, OURS, FAMILIES) for data in found), left_out)


def vectors(name: str, n: int | None) -> Vectors:
    """A data set, with fewer queries than usual where it is small.  Raises DataUnavailable."""
    source = SOURCES[name]()
    count = max(n or source.rows, LEAST_ROWS)
    log_progress(f"{name}: {count} rows")
    return source.vectors(texts_for(count), count, min(QUERIES, count // 4))


def compared(data: Vectors, ours: Sequence[Callable[[], Promising]], families: Sequence[Family]) -> Comparison:
    with one_thread():
        return compare(data, ours, families)


def assembled(found: Iterable[Comparison], left_out: Sequence[str] = ()) -> dict[str, Any]:
    """The document: rows, all points of all curves, builds, and the data sets that were left out."""
    rows, points, builds = [], [], []
    for one in found:
        log_progress(f"{one.data.name}: done")
        rows += rows_of(one)
        points += [
            {"data": one.data.name, **asdict(point), "family": family(one, point.contender)}
            for point in one.points.values()
        ]
        builds += [_build(one, entrant) for entrant in (*one.ours, *one.peers.values())]
        for entrant in one.ours:
            if entrant.promising is not None:
                entrant.promising.close()
    return document("index", rows, PACKAGES) | {"points": points, "builds": builds, "left_out": list(left_out)}


def family(found: Comparison, contender: str) -> str:
    entrants = (*found.ours, *found.peers.values())
    return next(one.family for one in entrants if one.contender.name == contender)


def _build(found: Comparison, entrant: Entrant) -> dict[str, Any]:
    return {
        "data": found.data.name,
        "rows": len(found.data.rows),
        "contender": entrant.contender.name,
        "build_cpu_s": entrant.build_s,
        "tuning_cpu_s": entrant.tuning_s,
        "bytes_per_vector": entrant.bytes_per_vector,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bench with the common options and --only."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--only", choices=tuple(SOURCES))
    own, rest = parser.parse_known_args(arguments)
    return run_one("index", partial(bench, only=own.only), rest)


if __name__ == "__main__":
    sys.exit(main())
