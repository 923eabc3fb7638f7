"""The command line that every bench has: `python -m evaluate.bench.NAME [--json] [--out FILE] [--n N]`.

A bench is a module of this folder with `bench(n) -> document`; see `evaluate.bench.shape`.  Its `n` says how much is
measured, in the bench's own measure, with a default that gives steady numbers in minutes.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from embed.errors import DegluError

Bench = Callable[[int | None], dict[str, Any]]


def run_one(name: str, bench: Bench, arguments: Sequence[str] | None = None) -> int:
    """Run one bench by the command line; its exit code.  stdout gets lines, or with --json the document."""
    options = parsed(f"python -m evaluate.bench.{name}", arguments)
    try:
        found = bench(options.n)
    except DegluError as error:
        return failed(name, error)
    hand_over(found, as_lines(found), options)
    return 0


def parsed(program: str, arguments: Sequence[str] | None) -> argparse.Namespace:
    """Options `json`, `out`, `n`; leaves with exit code 2 where they are wrong."""
    parser = argparse.ArgumentParser(prog=program, description="Measure speed beside peers.")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--out", type=Path, metavar="FILE", help="keep the JSON document in this file, too")
    parser.add_argument("--n", type=_size, metavar="N", help="how much is measured; the default gives steady numbers")
    return parser.parse_args(arguments)


def hand_over(document: Any, lines: str, options: argparse.Namespace) -> None:
    """Write the document where the options want it: stdout, and the file."""
    text = json.dumps(document, indent=1)
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text + "\n", encoding="utf-8")
    sys.stdout.write((text if options.json else lines) + "\n")


def failed(name: str, error: DegluError) -> int:
    """One line on stderr, and the error's exit code."""
    sys.stderr.write(f"bench {name}: {error}\n")
    return error.exit_code


def as_lines(document: dict[str, Any]) -> str:
    """A bench's document for the eye."""
    head = f"{document['bench']}, {document['date']}, {document['machine']}"
    return "\n".join([head, *(_line(row) for row in document["rows"])])


def _line(row: dict[str, Any]) -> str:
    start = f"  {row['measure']} | ours {row['ours']:.4g} {row['unit']}, {row['against']} "
    if row["theirs"] is None:
        return start + f"not measured: {row['reason']}"
    goal = "" if row["goal"] is None else f", goal {row['goal']:g} {'met' if row['met'] else 'missed'}"
    ratio = "none" if row["ratio"] is None else f"{row['ratio']:.2f}"
    return start + f"{row['theirs']:.4g}: ratio {ratio}{goal}"


def _size(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 up")
    return int(text)
