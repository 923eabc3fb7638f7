"""Fingerprints on storage."""

from pathlib import Path

import pytest

from embed.errors import StorageError
from embed.fingerprints.peaks import peaks_of
from embed.identity import digest
from embed.repeats.kept import drop_prints, keep_print, read_prints, units_with_prints
from embed.storage.store import join, write_bytes
from tests.embed.fingerprints.sounds import talk

UNIT, RECORDING = digest("unit"), digest("recording")


def test_a_fingerprint_is_read_as_it_was_kept(storage_url: str) -> None:
    peaks = peaks_of(talk(1, 3))
    keep_print(storage_url, UNIT, RECORDING, peaks)
    assert units_with_prints(storage_url) == {UNIT}
    (found,) = read_prints(storage_url, [UNIT])
    assert (found.recording, found.peaks.packed()) == (RECORDING, peaks.packed())
    drop_prints(storage_url, [UNIT])
    assert units_with_prints(storage_url) == set()


def test_a_damaged_fingerprint_is_named(tmp_path: Path) -> None:
    url = str(tmp_path)
    write_bytes(join(url, "repeats/prints", f"{UNIT.hex()}.parquet"), b"PAR1 broken")
    with pytest.raises(StorageError, match=rf"{UNIT.hex()}\.parquet: damaged"):
        read_prints(url, [UNIT])
