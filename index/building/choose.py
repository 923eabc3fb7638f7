"""The shape of an index, chosen from sizes and ceilings only, without measurements.

The depth of searches is not chosen here: calibration measures it on the rows (`index.calibration.calibrate`).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from embed.errors import SpecError
from embed.quantities import many
from index.spec import CODE_BITS, IndexSpec

# Reading 10,000 float16 rows of width 384 moves 7.7 MB: half a millisecond at the 15 GB/s measured for flat reading.
# All stages of the coded ladder took 0.2 to 0.3 ms at 50,000 rows, so below that there is little to gain.
EXACT_BELOW = 10_000
# 256 at 100,000 rows, where 128, 256 and 512 lists cost a batch the same and 256 cost a single question the least: each
# list that is read costs about as much as 500 rows of it.  Lists grow faster than the root of the rows, fewer are read.
LISTS_SCALE, LISTS_POWER = 0.26, 0.6
LISTS_STEP = 16  # fits matrix products and the blocks of codes
LEAST_LISTS, MOST_LISTS = 16, 65_536  # more middles than that cost more than they save, and need a larger sample
# Measured at 100,000 x 384 for recall .99: 1 bit a dim needs a shortlist of 200, 1.33 bits 64 to 100, 2 bits 50, and
# the cost of a scan grows with the bits that it reads.  Three dims a code are the best where the width allows it.
USUAL_BITS, OTHER_BITS = 1.33, 1.0
DIMS_PER_CODE = (1, 2, 3, 4, 8)
CODES_PER_BYTE = 2
SCALE_BYTES = 4  # a row's scale of its 8-bit values, which take a byte a dim


@dataclass(frozen=True)
class Plan:
    """The storage of one modality's rows; lists and widths are 0 where the rows are not coded."""

    coded: bool
    lists: int
    code_dim: int  # the first dims of each row that have codes
    subspaces: int  # codes a row, of 4 bits each
    reasons: tuple[str, ...]  # a sentence for each decision


def choose(rows: int, dims: tuple[int, ...], spec: IndexSpec, memory_bytes: int | None = None) -> Plan:
    """The plan for `rows` rows of declared `dims` (descending, the full width first).

    memory_bytes   memory that answering from these rows may use; None: the spec's ceiling is for these rows only.

    Raises SpecError where no code is small enough for the ceiling, with a ceiling that is large enough.
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
    """Code width, dims a code, and why: the first choice that fits the ceiling."""
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
    """Code widths and dims a code, best first: fewer bits before fewer dims.  Values of the spec are not changed."""
    # Fewer bits before fewer dims: at equal bytes, all dims with 1 bit keep 99.9 % of the ten best, 32 float dims 47 %.
    for dim in dims if spec.code_dim is None else (spec.code_dim,):
        finest = _dividing(dim, _requested(dim, spec))
        yield dim, finest
        if spec.code_bits is None:
            yield from ((dim, per_code) for per_code in DIMS_PER_CODE if per_code > finest and dim % per_code == 0)


def _requested(dim: int, spec: IndexSpec) -> int:
    """Dims a code by the spec or the default; they need not divide the width."""
    usual = USUAL_BITS if dim % CODE_BITS[USUAL_BITS] == 0 else OTHER_BITS
    return CODE_BITS[usual if spec.code_bits is None else spec.code_bits]


def _dividing(dim: int, per_code: int) -> int:
    """The largest number of dims a code, at most `per_code`, that divides the width; 1 always does."""
    return max(fewer for fewer in DIMS_PER_CODE if fewer <= per_code and dim % fewer == 0)


def _too_small(rows: int, dims: tuple[int, ...], spec: IndexSpec, ceiling: int, least: float) -> SpecError:
    # The ceiling may be one modality's share of the spec's ceiling, so both are scaled by the same factor.
    enough = least if spec.memory_gb is None or not ceiling else spec.memory_gb * 1e9 * least / ceiling
    return SpecError(
        f"memory_gb: {rows:,} rows of width {dims[0]} take {_gb(least)} GB with the smallest codes, the ceiling leaves "
        f"them {_gb(ceiling)}; give memory_gb = {_gb(enough)} or more, or `ladder: exact`, or embed fewer dims"
    )


def _why_exact(rows: int, spec: IndexSpec) -> str:
    if spec.ladder == "exact":
        return f"every row is read ({many(rows, 'row')}), as the spec says"
    return f"every row is read ({many(rows, 'row')}): lists and codes are faster from {EXACT_BELOW:,} rows on"


def _why_coded(rows: int, spec: IndexSpec) -> str:
    if spec.ladder == "coded":
        return f"lists and codes for {many(rows, 'row')}, as the spec says"
    return f"lists and codes for {rows:,} rows: from {EXACT_BELOW:,} on reading every row costs more"


def _why_codes(dims: tuple[int, ...], spec: IndexSpec, dim: int, per_code: int) -> str:
    width = f"all {dim} dims" if dim == dims[0] else f"the first {dim} of {dims[0]} dims"
    share = "each has a code" if per_code == 1 else f"{per_code} share a code"
    what = f"codes of {width}, {share} of 4 bits"
    if spec.code_bits is None:
        return what
    requested = CODE_BITS[spec.code_bits]
    if requested == per_code:
        return f"{what}, as the spec says"
    return f"{what}, since {requested} a code do not divide {dim}"


def _latency(spec: IndexSpec) -> list[str]:
    if spec.latency_ms is None:
        return []
    return [f"calibration measures the recall that is possible in {spec.latency_ms:g} ms a question"]


def _gb(size: float) -> str:
    """Gigabytes, rounded up, so that the figure is large enough."""
    return f"{math.ceil(size / 1e6) / 1e3:g}"
