"""Advice with real paths: where a message names a command on SPEC, and the spec is that of the running command."""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from embed.errors import DegluError
from jobs.command.output import Plain, Result

SAME_SPEC = {
    "embed": ("embed", "retry", "plan"),
    "retry": ("embed", "retry", "plan"),
    "plan": ("embed", "retry", "plan"),
}


@dataclass(frozen=True)
class Advice:
    """The running command: its verb, the path of its spec, and the overrides, without which it is another spec."""

    verb: str
    path: str
    overrides: Sequence[str] = ()

    def text(self, text: str) -> str:
        """`deglu index SPEC --compact` becomes `deglu index my-index.yaml --compact`."""
        spec = shlex.join([self.path, *(part for override in self.overrides for part in ("--set", override))])
        for verb in SAME_SPEC.get(self.verb, (self.verb,)):
            text = text.replace(f"deglu {verb} SPEC", f"deglu {verb} {spec}")
        return text

    def result(self, result: Result) -> Result:
        """The same result, with real paths in its text."""
        return Plain(result.document(), self.text(result.text()), result.exit_code)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Errors of the block get real paths."""
        try:
            yield
        except DegluError as error:
            error.args = (self.text(str(error)),)
            raise
