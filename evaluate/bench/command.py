"""The command line of every bench: `python -m evaluate.bench.NAME [--json] [--out FILE] [--n N]`.

A bench is a module of this folder with `bench(n) -> document`; see `evaluate.bench.shape`.  Its `n` is the amount to
measure, in the bench's own unit, with a default that gives stable numbers in minutes.
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
    """Run one bench from the command line; its exit code.  Prints lines, or with --json the document."""
    options = parsed(f"python -m evaluate.bench.{name}", arguments)
    try:
        found = bench(options.n)
    except DegluError as error:
        return failed(name, error)
    write_document(found, as_lines(found), options)
    return 0


def parsed(program: str, arguments: Sequence[str] | None) -> argparse.Namespace:
    """Options `json`, `out`, `n`; ends the process with exit code 2 where they are wrong."""
    parser = argparse.ArgumentParser(prog=program, description="Measure speed against peers.")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the JSON document to this file")
    parser.add_argument("--n", type=_size, metavar="N", help="amount to measure; the default gives stable numbers")
    return parser.parse_args(arguments)


def write_document(document: Any, lines: str, options: argparse.Namespace) -> None:
    """Write the document to stdout and, with --out, to the file."""
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
    """A bench's document as lines for a reader."""
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
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)
