"""Output of results on stdout: text for people, or one JSON document for programs, with the exit code."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import yaml

from embed.base_spec import Spec
from jobs.command.terminal import escaped


class Result(Protocol):
    """Result of a verb."""

    @property
    def exit_code(self) -> int:
        """0 complete, 3 complete with failures, 4 a gate was missed, 1 failed."""

    def document(self) -> Mapping[str, Any]:
        """Plain JSON values, as --json prints them."""

    def text(self) -> str:
        """The same as text for people, without the last line feed."""


@dataclass(frozen=True)
class Plain:
    """A finished result: a document, its text, an exit code."""

    values: Mapping[str, Any]
    lines: str
    exit_code: int = field(default=0)

    def document(self) -> Mapping[str, Any]:
        return self.values

    def text(self) -> str:
        return self.lines


def as_result(value: Result | Mapping[str, Any]) -> Result:
    """A bare document is a complete result; its text is a listing of its values."""
    if not isinstance(value, Mapping):
        return value
    return Plain(value, _listing(value))


def _listing(values: Mapping[str, Any]) -> str:
    """One line for each value, also for lists and small mappings."""
    return yaml.safe_dump(
        dict(values), sort_keys=False, allow_unicode=True, default_flow_style=None, width=10_000
    ).rstrip()


def show(result: Result, as_json: bool) -> int:
    """Print the result on stdout, without control characters of names and texts; its exit code."""
    text = json.dumps(result.document(), ensure_ascii=False, indent=2) if as_json else result.text()
    try:
        sys.stdout.write(escaped(text) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:  # the reader (head, less) closed the pipe; the interpreter must not flush again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return result.exit_code


def resolved(verb: str, spec: Spec) -> Plain:
    """Output of --dry-run: the validated spec, defaults filled in, and its identity."""
    fields = spec.model_dump(mode="json")
    listing = yaml.safe_dump(fields, sort_keys=False, allow_unicode=True).rstrip()
    text = f"# deglu {verb} would run this; result identity {spec.identity()}\n{listing}"
    return Plain({"verb": verb, "dry_run": True, "identity": spec.identity(), "spec": fields}, text)
