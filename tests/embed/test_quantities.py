"""Counts and sizes as a reader expects them."""

import pytest

from embed.quantities import many, many_files, size


def test_counts() -> None:
    assert (many(1, "row"), many(0, "row"), many(1200, "row")) == ("1 row", "0 rows", "1,200 rows")
    assert many_files(3, 1_200_500_000) == "3 files, 1.2 GB"


@pytest.mark.parametrize(
    ("num_bytes", "words"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (12.34e6, "12.3 MB"), (1.2e15, "1,200.0 TB")]
)
def test_sizes(num_bytes: float, words: str) -> None:
    assert size(num_bytes) == words
