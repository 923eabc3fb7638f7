"""Faults of the machine are told from those of an input."""

import errno
from itertools import pairwise

import pytest

from embed.errors import InputError, StorageError
from embed.machine import MachineFault, machine_fault


def raised(*errors: BaseException) -> BaseException:
    """The last one, each raised from the one before."""
    for cause, error in pairwise(errors):
        error.__cause__ = cause
    return errors[-1]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EROFS])
def test_a_full_or_limited_machine_is_at_fault_however_its_error_is_wrapped(code: int) -> None:
    found = machine_fault(raised(OSError(code, "no"), StorageError("out/x"), InputError("x.wav: unreadable")))
    assert found is not None
    assert ":" in found, "the cause, and the cure"


def test_the_file_is_named() -> None:
    assert machine_fault(OSError(errno.ENOSPC, "full", "/data/out")) == (
        "no space is left on its disk: free some (/data/out)"
    )
    full = raised(OSError(errno.ENOSPC, "full"), StorageError("out/ab: No space left on device; free space"))
    assert machine_fault(full) == "no space is left on its disk: free some (out/ab)"


@pytest.mark.parametrize(
    "error",
    [InputError("damaged"), OSError(errno.EIO, "io"), OSError(errno.EACCES, "no"), MemoryError(), ValueError("x")],
)
def test_an_input_a_reader_or_memory_is_not_the_machine(error: Exception) -> None:
    assert machine_fault(error) is None


def test_a_fault_that_is_known_keeps_its_words() -> None:
    assert machine_fault(MachineFault("torch finds no GPU there")) == "torch finds no GPU there"
