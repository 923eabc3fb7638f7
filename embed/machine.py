"""Fault of a machine: an error that no input causes, so that it is never recorded against one.

A full disk, or too few open files, fails every unit on a machine: the worker stops, and its units go to other machines.
Memory is not among them: a damaged file may ask for any amount of it.
"""

import errno
from collections.abc import Iterator

from embed.errors import DegluError

CAUSES = {
    errno.ENOSPC: "no space is left on its disk: free some",
    errno.EDQUOT: "its user's disk quota is used up: free some space, or raise it",
    errno.EROFS: "its disk is read-only: mount it for writing",
    errno.EMFILE: "its worker may open no more files: raise the limit (ulimit -n)",
    errno.ENFILE: "it may open no more files: raise its limit (sysctl fs.file-max)",
}


class MachineFault(DegluError):
    """This machine cannot do what others can; the text has the cause and the cure."""


def machine_fault(error: BaseException) -> str | None:
    """Cause and cure, where the machine is at fault; None for errors of an input, of storage or of the program."""
    for one in _chain(error):
        if isinstance(one, MachineFault):
            return str(one)
        if isinstance(one, OSError) and one.errno in CAUSES:
            # Errors of Deglu begin with the file; a failed write does not name its own.
            place = one.filename or (str(error).partition(": ")[0] if isinstance(error, DegluError) else "")
            return CAUSES[one.errno] + (f" ({place})" if place else "")
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
