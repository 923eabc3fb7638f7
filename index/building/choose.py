"""The shape of an index, chosen from sizes and ceilings alone; nothing is measured here.

Depth is not decided here: calibration finds it on the rows themselves (`index.calibration.calibrate`).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from embed.errors import SpecError
from index.spec import CODE_BITS, IndexSpec

# Reading 10,000 float16 rows of width 384 moves 7.7 MB: half a millisecond at the 15 GB/s measured for flat reading.
# All stages of the coded ladder took 0.2 to 0.3 ms at 50,000 rows, so below that there is little to win.
EXACT_BELOW = 10_000
# 256 at 100,000 rows, where 128, 256 and 512 lists cost a batch the same and 256 one question the least: each list that
# is read costs about as much as 500 rows of it.  Lists grow faster than the root of the rows, and fewer are read.
LISTS_SCALE, LISTS_POWER = 0.26, 0.6
LISTS_STEP = 16  # what a matrix product and the codes' blocks like
LEAST_LISTS, MOST_LISTS = 16, 65_536  # more middles than that cost more than they save, and a sample to match
# Measured at 100,000 x 384 for recall .99: 1 bit a dim needs a shortlist of 200, 1.33 bits 64 to 100, 2 bits 50, and
# the scan costs as many bits as it reads.  Three dims a code are the best of these where the width allows it.
USUAL_BITS, OTHER_BITS = 1.33, 1.0
DIMS_PER_CODE = (1, 2, 3, 4, 8)
CODES_PER_BYTE = 2
SCALE_BYTES = 4  # a row's scale of its 8-bit values, which take a byte a dim


@dataclass(frozen=True)
class Plan:
    """How one modality's rows are kept; the widths are 0 where they are not coded."""

    coded: bool
    lists: int
    code_dim: int  # the first dims of each row that have codes
    subspaces: int  # codes a row, of 4 bits each
    reasons: tuple[str, ...]  # a sentence for each decision


def choose(rows: int, dims: tuple[int, ...], spec: IndexSpec, memory_bytes: int | None = None) -> Plan:
    """For `rows` rows of declared `dims` (descending, the full width first).

    memory_bytes   what answering from these rows may keep in memory; None: the spec's ceiling is for them alone.

    Raises SpecError where no code is small enough for the ceiling, with the ceiling that would do.
    """
    if not worth_coding(rows, spec):
        return Plan(False, 0, 0, 0, (_why_exact(rows, spec), *_latency(spec)))
    lists, why_lists = _lists(rows, spec)
    ceiling = memory_bytes if memory_bytes is not None or spec.memory_gb is None else int(spec.memory_gb * 1e9)
    code_dim, per_code, why_codes = _codes(rows, dims, spec, ceiling)
    reasons = (_why_coded(rows, spec), why_lists, *why_codes, *_latency(spec))
    return Plan(True, lists, code_dim, code_dim // per_code, reasons)


def worth_coding(rows: int, spec: IndexSpec) -> bool:
    """Whether so many rows get lists and codes; otherwise every one of them is read."""
    return rows > 0 and (spec.ladder == "coded" or (spec.ladder == "auto" and rows >= EXACT_BELOW))


def bytes_per_row(width: int, subspaces: int) -> float:
    """In memory when answering: codes, 8-bit rows and their scales."""
    return subspaces / CODES_PER_BYTE + width + SCALE_BYTES


def _lists(rows: int, spec: IndexSpec) -> tuple[int, str]:
    if spec.lists is not None:
        lists = min(spec.lists, rows)
        fewer = "" if lists == spec.lists else f", not {spec.lists:,}: no more than rows"
        return lists, f"{lists:,} lists, as the spec says{fewer}"
    usual = LISTS_STEP * round(LISTS_SCALE * rows**LISTS_POWER / LISTS_STEP)
    lists = min(max(usual, LEAST_LISTS), MOST_LISTS, rows)
    return lists, f"{lists:,} lists, about {LISTS_SCALE} times rows to the power of {LISTS_POWER}"


def _codes(rows: int, dims: tuple[int, ...], spec: IndexSpec, ceiling: int | None) -> tuple[int, int, list[str]]:
    """Code width, dims a code, and why: the first of the ways that fits."""
    ways = list(_ways(dims, spec))
    sizes = [rows * bytes_per_row(dims[0], dim // per_code) for dim, per_code in ways]
    fitting = [number for number, size in enumerate(sizes) if ceiling is None or size <= ceiling]
    if ceiling is not None and not fitting:
        raise _too_small(rows, dims, spec, ceiling, min(sizes))
    (dim, per_code), size = ways[fitting[0]], sizes[fitting[0]]
    why = [_why_codes(dims, spec, dim, per_code)]
    if ceiling is not None:
        smaller = "as the usual codes do" if fitting[0] == 0 else f"where the usual codes take {_gb(sizes[0])}"
        why.append(f"{_gb(size)} GB in memory fit the ceiling of {ceiling / 1e9:.3g}, {smaller}")
    return dim, per_code, why


def _ways(dims: tuple[int, ...], spec: IndexSpec) -> Iterator[tuple[int, int]]:
    """Code widths and dims a code, best first: fewer bits before fewer dims.  What the spec says stays as it is."""
    # Bits before dims: at equal bytes all dims with one bit each keep 99.9 % of the ten best, 32 dims in float 47 %.
    for dim in dims if spec.code_dim is None else (spec.code_dim,):
        finest = _dividing(dim, _wished(dim, spec))
        yield dim, finest
        if spec.code_bits is None:
            yield from ((dim, per_code) for per_code in DIMS_PER_CODE if per_code > finest and dim % per_code == 0)


def _wished(dim: int, spec: IndexSpec) -> int:
    """Dims a code, whether they divide the width or not."""
    usual = USUAL_BITS if dim % CODE_BITS[USUAL_BITS] == 0 else OTHER_BITS
    return CODE_BITS[usual if spec.code_bits is None else spec.code_bits]


def _dividing(dim: int, per_code: int) -> int:
    """The next finer one that divides the width; 1 always does."""
    return max(fewer for fewer in DIMS_PER_CODE if fewer <= per_code and dim % fewer == 0)


def _too_small(rows: int, dims: tuple[int, ...], spec: IndexSpec, ceiling: int, least: float) -> SpecError:
    # The ceiling may be one modality's share of the spec's: both grow alike.
    enough = least if spec.memory_gb is None or not ceiling else spec.memory_gb * 1e9 * least / ceiling
    return SpecError(
        f"memory_gb: {rows:,} rows of width {dims[0]} take {_gb(least)} GB with the smallest codes, the ceiling leaves "
        f"them {_gb(ceiling)}; give memory_gb = {_gb(enough)} or more, or `ladder: exact`, or embed fewer dims"
    )


def _why_exact(rows: int, spec: IndexSpec) -> str:
    if spec.ladder == "exact":
        return f"every one of {rows:,} rows is read, as the spec says"
    return f"every one of {rows:,} rows is read: lists and codes pay from {EXACT_BELOW:,} rows on"


def _why_coded(rows: int, spec: IndexSpec) -> str:
    if spec.ladder == "coded":
        return f"lists and codes for {rows:,} rows, as the spec says"
    return f"lists and codes for {rows:,} rows: from {EXACT_BELOW:,} on reading every row costs more"


def _why_codes(dims: tuple[int, ...], spec: IndexSpec, dim: int, per_code: int) -> str:
    width = f"all {dim} dims" if dim == dims[0] else f"the first {dim} of {dims[0]} dims"
    share = "each has a code" if per_code == 1 else f"{per_code} share a code"
    what = f"codes of {width}, {share} of 4 bits"
    if spec.code_bits is None:
        return what
    wished = CODE_BITS[spec.code_bits]
    return f"{what}, as the spec says" if wished == per_code else f"{what}, since {wished} a code do not divide {dim}"


def _latency(spec: IndexSpec) -> list[str]:
    if spec.latency_ms is None:
        return []
    return [f"calibration tells which recall {spec.latency_ms:g} ms a question allow"]


def _gb(size: float) -> str:
    """Rounded up, so that the figure is enough."""
    return f"{math.ceil(size / 1e6) / 1e3:g}"
