"""Quantities as text for people: a count with its noun, a size in bytes."""


def many(count: int, thing: str) -> str:
    """`1 row`, `1,200 rows`; `thing` is the singular."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def size(num_bytes: float) -> str:
    """`812 B`, `12.1 MB`, `1.2 TB`: powers of a thousand, as storage is sold."""
    for unit in ("B", "kB", "MB", "GB"):
        if num_bytes < 999.5:
            return f"{num_bytes:.0f} B" if unit == "B" else f"{num_bytes:.1f} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:,.1f} TB"


def many_files(count: int, size_bytes: int) -> str:
    """`3 files, 1.2 GB`."""
    return f"{many(count, 'file')}, {size(size_bytes)}"
