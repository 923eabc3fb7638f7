"""Command `deglu`, also `python -m jobs`: the one place where an error becomes a line on stderr and an exit code."""

import atexit
import gc
import logging
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

import typer

from embed.errors import DegluError
from embed.installation import check_packages
from embed.redaction import redacted
from jobs.command.cli import app
from jobs.command.options import INTERRUPTED, TERMINATED
from jobs.command.terminal import escaped

INTERNAL, USAGE = 1, 2
KEPT = "committed work is kept: run the same command to continue"


def main() -> None:
    """Run the command line and leave with its exit code."""
    # Libraries load some hundred thousand objects that stay: a collection every 700 costs a sixth of the start time.
    gc.set_threshold(100_000)
    arguments = sys.argv[1:]
    _set_up_logging(_is_debug(arguments))
    signal.signal(signal.SIGTERM, _terminate)  # as Ray's own handler, which replaces it
    _leave(run(arguments))


def run(arguments: Sequence[str]) -> int:
    """The exit code of one command line; an error is one line on stderr, with `--debug` after its traceback."""
    try:
        check_packages()
        code = app(args=list(arguments) or ["--help"], prog_name="deglu", standalone_mode=False)
    except (Exception, SystemExit) as error:  # typer raises SystemExit where a pipe broke
        if _is_debug(arguments):
            sys.stderr.write(_shown(traceback.format_exc()))
        return _failed(error)
    if code == INTERRUPTED:  # typer returns this for KeyboardInterrupt
        return _fail(f"interrupted; {KEPT}", INTERRUPTED)
    return code if isinstance(code, int) else 0


def _failed(error: BaseException) -> int:
    if isinstance(error, DegluError):
        return _fail(str(error), error.exit_code)
    if isinstance(error, typer.TyperException):
        return _fail(_usage(error), USAGE)
    if isinstance(error, SystemExit) and error.code == signal.SIGTERM:
        return _fail(f"ended by SIGTERM; {KEPT}", TERMINATED)
    error = getattr(error, "cause", None) or error  # of a task of Ray, whose text is a page
    if isinstance(error, SystemExit) and error.__context__ is not None:
        error = error.__context__
    return _fail(f"internal error: {type(error).__name__}: {error}; run again with --debug for the traceback", INTERNAL)


def _terminate(number: int, frame: object) -> None:
    raise SystemExit(number)


def _leave(code: int) -> NoReturn:
    """End the process, after what is registered for its end, without tearing down the interpreter.

    Native threads of Ray, pyarrow and faiss may be in the middle of something then, and abort the process: of 60 runs
    under load 5 ended with 134 after their work was done.
    """
    if code not in (INTERRUPTED, TERMINATED):
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # a closed pipe
            stream.flush()
    os._exit(code)


def _usage(error: typer.TyperException) -> str:
    message = error.format_message().rstrip(".") or "the command line is incomplete"
    path = getattr(getattr(error, "ctx", None), "command_path", "deglu")
    return f"{message}; see {path} --help"


def _fail(message: str, code: int) -> int:
    sys.stderr.write(_shown(f"deglu: {' '.join(message.split())}\n"))
    return code


def _shown(text: str) -> str:
    """The text without secrets of urls and without control characters: also errors of others reach the terminal."""
    return escaped(redacted(text))


def _is_debug(arguments: Sequence[str]) -> bool:
    return "--debug" in arguments


def _set_up_logging(debug: bool) -> None:
    """Log lines and warnings of other libraries are shown with --debug only."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_LogLine("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.INFO if debug else logging.WARNING)
    if not debug and not sys.warnoptions:
        warnings.simplefilter("ignore")


class _LogLine(logging.Formatter):
    """Format of the log's lines."""

    def format(self, record: logging.LogRecord) -> str:
        return _shown(super().format(record))


if __name__ == "__main__":
    main()
