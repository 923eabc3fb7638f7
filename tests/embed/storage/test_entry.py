import os
from types import SimpleNamespace
from typing import cast

from embed.storage.entry import entry_of


def test_a_moment_that_no_calendar_has_is_none() -> None:
    """As damaged file systems have it; those in order do not let a test write it."""
    status = cast(os.stat_result, SimpleNamespace(st_size=3, st_mtime_ns=10**30))
    assert entry_of("a.wav", status).mtime is None
    status = cast(os.stat_result, SimpleNamespace(st_size=3, st_mtime_ns=1_500_000_000))
    assert entry_of("a.wav", status).mtime == "1970-01-01T00:00:01.500000+00:00"
