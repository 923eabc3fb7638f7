"""The search in one call: beside slow plain code, stage by stage and as a whole, with AVX2 and without."""

import os
import subprocess
import sys
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embed.encoder import truncate
from index.ladder import Setting
from index.neighbours import join
from index.rungs import blocks, kernels, one_call
from index.rungs.coder import Coder
from index.rungs.listing import NOTHING
from index.rungs.router import FIRST_SHARPNESS
from index.rungs.tables import LOG_SIZE, Tables
from tests.index import shelves
from tests.index.rungs.test_simd import needs_avx2
from tests.index.shelves import WIDTH, clustered, coder_of

LISTS = 8
CODER = coder_of(clustered(600, 1), LISTS)
ODD = coder_of(clustered(600, 1)[:, :15], LISTS, 5)  # an odd number of groups, of three dims each; without the last dim
CODERS = {"even": CODER, "odd": ODD}
COMPILED = {blocks: ("simd", "lists"), kernels: ("simd", "lists"),
            one_call: ("simd", "blocks", "kernels", "lists", "tables")}  # fmt: skip


def _tables(sizes: list[int], coder: Coder, seed: int) -> Tables:
    rows = clustered(max(1, sum(sizes)), seed)
    parts = [shelves.segment(some, coder, 1_000 * number)
             for number, some in enumerate(np.split(rows, np.cumsum(sizes))[: len(sizes)])]  # fmt: skip
    return Tables(parts, coder, FIRST_SHARPNESS * coder.middles(WIDTH), np.zeros(coder.lists, np.float32))


def _cut(queries: Any, dim: int) -> Any:
    found = np.zeros_like(queries)
    found[:, :dim] = truncate(queries, dim)
    return found


def _worth(tables: Tables, query: Any, dim: int, depth: float, kept: Any, slope: float) -> Any:
    """How much each list's share per row exceeds the least: above 0 it is read, or where the share is highest."""
    scaled, (router, _), numbers = np.empty(WIDTH, np.int16), tables.list_rows, tables.list_numbers
    unit = kernels.in_16_bits(query, dim, scaled)
    scores = router[:, :dim].astype(float) @ scaled[:dim] * unit * numbers[0] + numbers[1]
    some = scores + kept
    deeper = slope * max(np.log(np.exp(scores).sum()) - np.log(np.exp(some).sum()), 0)
    worth = some - np.log(np.exp(some).sum()) - numbers[LOG_SIZE] + depth + deeper
    worth[np.argmax(some)] = np.inf
    return worth


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.floats(0, 14), st.sampled_from([WIDTH, 6]), st.sampled_from([None, 0.0, 0.7]))
def test_lists_are_chosen_by_a_softmax_the_likeliest_first(
    seed: int, depth: float, dim: int, slope: float | None
) -> None:
    """With a slope, under a filter that keeps few rows of some lists and none of one."""
    tables = _tables([300], CODER, 3)
    query = _cut(clustered(1, seed), dim)[0]
    kept = np.zeros(LISTS, np.float32)
    if slope is not None:
        kept[:] = np.log(np.random.default_rng(seed).uniform(0.01, 1, LISTS))
        kept[seed % LISTS] = NOTHING
    worth = _worth(tables, query, dim, depth, kept, slope or 0.0)
    scaled, scores, chosen = np.empty(WIDTH, np.int16), np.empty(LISTS, np.float32), np.empty(LISTS, np.int64)
    unit = kernels.in_16_bits(query, dim, scaled)
    rows, numbers = tables.list_rows, tables.list_numbers
    used = one_call.choose_lists(scaled, unit, dim, rows, numbers, kept, depth, slope or 0.0, scores, chosen)
    found = chosen[:used].tolist()
    # A list whose share is e ** -12 of the best one's is left out of the sum.
    assert {*np.flatnonzero(worth > 1e-3)} <= {*found} <= {*np.flatnonzero(worth > -1e-3)}
    assert (np.diff(scores[found][: one_call.LEADING]) <= 0).all()


@pytest.mark.parametrize("coder", CODERS.values(), ids=CODERS)
@pytest.mark.parametrize("scale", [1.0, 1e-9, 0.0])
def test_a_table_is_the_products_in_7_bits(coder: Coder, scale: float) -> None:
    tables, query = _tables([300], coder, 3), clustered(1, 4)[0] * np.float32(scale)
    groups = len(coder.codebook)
    products, table = np.empty((groups, 16), np.float32), np.full(((groups + 1) // 2 * 2, 16), 0, np.uint8)
    worth, ceiling = one_call.tabulate(query, tables.order, tables.points, products, table)
    points = coder.codebook * coder.gains[:, None, None]
    exact = np.einsum("mpd,md->mp", points, query[coder.order].reshape(groups, -1))
    exact -= exact.min(axis=1, keepdims=True)
    np.testing.assert_allclose(table[:groups], exact * worth, atol=0.51)
    assert not table[groups:].any()
    assert table.max(axis=1).sum() <= ceiling < 2**16
    assert table.max() == 127 or scale < 1


def test_the_table_of_many_groups_does_not_overflow() -> None:
    rng = np.random.default_rng(0)
    points, query = rng.standard_normal((2_000, 1, 16)).astype(np.float32), np.ones(2_000, np.float32)
    products, table = np.empty((2_000, 16), np.float32), np.empty((2_000, 16), np.uint8)
    _, ceiling = one_call.tabulate(query, np.arange(2_000), points, products, table)
    assert 60_000 < table.max(axis=1).sum(dtype=np.int64) <= ceiling < 2**16


cases = given(
    st.integers(0, 2**31 - 1), st.sampled_from([0, 1, 20, 33, 300]), st.sampled_from(["even", "odd"]),
    st.sampled_from([WIDTH, 6]), st.floats(0, 14), st.sampled_from([1, 5, 40, 400]), st.sampled_from([None, 0.0, 0.3]),
)  # fmt: skip


@needs_avx2
@settings(deadline=None, max_examples=40)
@cases
def test_candidates_are_the_best_codes_of_the_lists(
    seed: int, rows: int, groups: str, dim: int, depth: float, count: int, share: float | None
) -> None:
    """All candidates are hits where as many are compared exactly and asked for."""
    coder = CODERS[groups]
    tables, query = _tables([rows], coder, seed), _cut(clustered(1, seed + 1), dim)
    kept = np.random.default_rng(seed).random(rows) < (1 if share is None else share)
    setting = Setting(depth=depth, shortlist=count, exact=count)
    hits, spent = tables.search(query, dim, setting, count, None if share is None else [_bits(kept)])
    found = hits.ids[0][hits.ids[0] >= 0]
    np.testing.assert_allclose(hits.scores[0][: len(found)], _cosines(tables, query[0], dim)[found], atol=1e-5)
    assert np.isneginf(hits.scores[0][len(found) :]).all()
    assert spent[5] == len(found) == len({*found})
    worth = _worth(tables, query[0], dim, depth, 0.0, 0.0)
    if (np.abs(worth) < 1e-3).any():
        return  # whether such a list is read is a matter of rounding
    (segment,) = tables._segments
    may = np.isin(segment.lists(), np.flatnonzero(worth > 0)) & kept
    assert may[found].all()
    assert len(found) == min(count, may.sum())
    if 0 < len(found) < may.sum():
        codes = _code_scores(coder, segment, query[0])
        left = np.delete(codes, found)[np.delete(may, found)]
        assert codes[found].min() >= left.max() - 2 * _largest_error(tables, query[0])


@needs_avx2
@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31 - 1), st.lists(st.sampled_from([0, 1, 20, 33, 200]), min_size=1, max_size=4))
def test_several_segments_are_joined(seed: int, sizes: list[int]) -> None:
    query, setting = clustered(2, seed + 1), Setting(depth=1e9, shortlist=1_000, exact=1_000)
    kept = [np.arange(size) % 4 > 0 for size in sizes]
    tables = _tables(sizes, CODER, seed)
    hits, _ = tables.search(query, WIDTH, setting, 12, [None if number == 1 else _bits(kept[number])
                                                        for number in range(len(sizes))])  # fmt: skip
    places = [np.arange(size)[... if number == 1 else kept[number]].ravel() for number, size in enumerate(sizes)]
    parts = [one.exact(query, some[None], WIDTH, 12) for one, some in zip(tables._segments, places, strict=True)]
    wanted = join(parts, 12)
    assert hits.ids.tolist() == wanted.ids.tolist()
    assert hits.scores.tolist() == wanted.scores.tolist()


def _bits(kept: Any) -> Any:
    return np.packbits(kept, bitorder="little")


def _cosines(tables: Tables, query: Any, dim: int) -> Any:
    rows = np.vstack([one.rows for one in tables._segments]).astype(np.float32)
    return truncate(rows, dim) @ query[:dim]


def _code_scores(coder: Coder, segment: Any, query: Any) -> Any:
    """By the middle of the row's list and the points of its codes, in float."""
    rows = truncate(segment.rows.astype(np.float32), len(coder.order))[:, coder.order]
    rest = (rows - coder.centroids[segment.lists()]).reshape(len(rows), len(coder.codebook), -1)
    nearest = ((rest[:, :, None] - coder.codebook[None]) ** 2).sum(axis=3).argmin(axis=2)
    points = (coder.codebook * coder.gains[:, None, None])[np.arange(len(coder.codebook)), nearest]
    cut = query[coder.order]
    return (coder.centroids @ cut)[segment.lists()] + points.reshape(len(rows), -1) @ cut


def _largest_error(tables: Tables, query: Any) -> float:
    """Of a code's score: half a step for each group and the list, and the 8 bits of the list's middle."""
    products, table = np.empty((len(tables.points), 16), np.float32), np.empty((len(tables.points) + 1, 16), np.uint8)
    worth, _ = one_call.tabulate(query, tables.order, tables.points, products, table)
    return float((len(tables.points) + 1) * 0.5 / worth + 0.01)


@needs_avx2
@settings(deadline=None, max_examples=30)
@cases
def test_ranks_and_hits_are_those_of_the_single_stages(
    seed: int, rows: int, groups: str, dim: int, depth: float, count: int, share: float | None
) -> None:
    tables, query = _tables([rows], CODERS[groups], seed), _cut(clustered(1, seed + 1), dim)
    bits = None if share is None else [_bits(np.arange(rows) % 3 > 0)]
    every, _ = tables.search(query, dim, Setting(depth=depth, shortlist=count, exact=count), count, bits)
    last, k = max(1, count // 2), max(1, count // 5)
    (segment,) = tables._segments
    hits, _ = tables.search(query, dim, Setting(depth=depth, shortlist=count, exact=last), k, bits)
    wanted = segment.exact(query, segment.rank(query, every.ids, dim, last), dim, k)
    assert hits.ids.tolist() == wanted.ids.tolist()
    assert hits.scores.tolist() == wanted.scores.tolist()


def test_compiled_code_is_of_these_sources() -> None:
    """numba would go on with compiled code that has an older state of another module in it."""
    for module, others in COMPILED.items():
        parts = [Path(str(import_module(f"index.rungs.{name}").__file__)).read_bytes() for name in others]
        wanted = sha256(b"".join(parts)).hexdigest()[:8]
        assert wanted == module.COMPILED_WITH, f"{module.__file__}: give COMPILED_WITH this value"


@pytest.mark.slow
@needs_avx2
def test_a_cpu_without_avx2_gives_the_same_hits(tmp_path: Path) -> None:
    """There faiss scans the codes: what is tested of a shelf and the other rungs holds, compiled without AVX."""
    tests = [str(Path(__file__).with_name(f"test_{name}.py")) for name in ("shelf", "kernels", "simd", "segment")]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", *tests]
    settings_of = {"NUMBA_ENABLE_AVX": "0", "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(command, env=os.environ | settings_of, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "skipped" in done.stdout  # what needs AVX2
