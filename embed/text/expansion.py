"""Expansion of a packed file: the most content that one of its size may have.

Ten kilobytes of Parquet or gzip can state gigabytes of repetitions.  Real texts unpack to less than twenty times their
size, logs to a hundred times; what is over the limits is a failure, found before it fills the memory.
"""

from embed.errors import ExpandsTooFar

TIMES = 200
FREE_BYTES = 1 << 22  # whatever the size of the file
ROW_BYTES = 1 << 26  # of one row of a table
ROWS, ROWS_A_BYTE = 1_000_000, 8
CELLS, CELLS_A_BYTE = 100_000_000, 100


def most_bytes(size_bytes: int) -> int:
    """The most bytes that a file of this size may unpack to."""
    return max(FREE_BYTES, TIMES * size_bytes)


def check_bytes(url: str, what: str, num: int, size_bytes: int) -> None:
    """Raises ExpandsTooFar where `what` of a file unpacks to too many bytes."""
    if num > most_bytes(size_bytes):
        raise ExpandsTooFar(
            f"{url}: {what}: {num:,} bytes or more, unpacked from a file of {size_bytes:,}; the most is {TIMES} times"
            f" the file's size, and {FREE_BYTES:,}; {_CURE}"
        )


def check_shape(url: str, rows: int, columns: int, size_bytes: int) -> None:
    """Raises ExpandsTooFar where the footer of a table states too many rows or cells."""
    for what, num, free, a_byte in (
        ("rows", rows, ROWS, ROWS_A_BYTE),
        ("cells", rows * columns, CELLS, CELLS_A_BYTE),
    ):
        if num > max(free, a_byte * size_bytes):
            raise ExpandsTooFar(
                f"{url}: its footer states {num:,} {what}, in a file of {size_bytes:,} bytes; the most is {a_byte} a"
                f" byte, and {free:,}; {_CURE}"
            )


_CURE = "leave it out, or write it without what is repeated"
