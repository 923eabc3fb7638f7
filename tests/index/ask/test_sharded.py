"""Shards of an index: together they are the whole one, whatever is asked; alone, a shard is an index of its rows."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embed.errors import InputError, SpecError
from index import live
from index.ask.searcher import Index, open_index
from index.ask.sharded import ShardedIndex
from index.audit.counts import found as counted
from index.calibration import calibrate, questions
from index.contracts import Hits, SearchRequest
from index.filter import parse_where
from index.parts.artifact import Lineage
from tests.index.living import built
from tests.index.shelves import clustered

ROWS, FIRST, WIDTH, NARROW = 2_000, 1_200, 96, 48
LINEAGE = Lineage(url="data/vectors", version=1, sha256=None, settings={})
VERSIONS = ("built", "appended", "deleted")
MANY = (2, 7, 40)  # shards; of 40 most are empty of speech, and some of text


def sharded(url: str, count: int, version: int | None = None) -> ShardedIndex:
    return ShardedIndex([open_index(url, version=version, shard=(number, count)) for number in range(count)])


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, vectors_of: Any, as_vectors: Any, build_at: Any) -> str:
    """Coded text, and so little speech that all of it is read."""
    place = str(tmp_path_factory.mktemp("sharded") / "index")
    table = vectors_of(clustered(38, 4, WIDTH), clustered(ROWS, 1, WIDTH), (WIDTH, NARROW)).table
    first = as_vectors(table.slice(0, FIRST + 20), (WIDTH, NARROW))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(questions, "ROW_QUESTIONS", 600)
        for name, value in (("DEPTHS", 24), ("SURVIVORS", 12)):
            patch.setattr(calibrate, name, value)
        build_at(place, first, ladder="coded", lists=32, code_bits=2)
    live.append(place, as_vectors(table, (WIDTH, NARROW)), LINEAGE)
    live.delete(place, parse_where("metadata['number'] like '%3' or start between 100 and 900"))
    return place


@pytest.fixture(scope="module")
def whole(url: str) -> list[Index]:
    return [open_index(url, version=number + 1) for number in range(len(VERSIONS))]


@pytest.fixture(scope="module")
def in_shards(url: str) -> dict[tuple[int, int], ShardedIndex]:
    return {(version, count): sharded(url, count, version + 1) for version in range(len(VERSIONS)) for count in MANY}


def same(found: Hits, true: Hits) -> None:
    assert found.ids.tolist() == true.ids.tolist()
    assert found.scores.tobytes() == true.scores.tobytes()


def share(found: Hits, true: Hits) -> float:
    pairs = zip(found.ids, true.ids, strict=True)
    return float(np.mean([np.isin(best[best >= 0], some).mean() for some, best in pairs if (best >= 0).any()] or [1.0]))


FILTERS = st.one_of(
    st.none(),
    st.sampled_from(
        ["metadata['number'] like '%7'", "metadata['number'] like '%1%'", "modality = 'speech'", "start < 0"]
    ),
    st.integers(1, 99).map(lambda part: f"start < {part * ROWS // 10}"),
)


@pytest.mark.slow
@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    version=st.sampled_from(range(len(VERSIONS))),
    count=st.sampled_from(MANY),
    where=FILTERS,
    k=st.sampled_from([1, 10, 100, 700]),
    modality=st.sampled_from(["any", "any", "text", "speech"]),
    dim=st.sampled_from([WIDTH, WIDTH, NARROW]),
    asked=st.sampled_from([1, 3, 40]),
    seed=st.integers(0, 10**6),
)
def test_shards_answer_as_one_machine(
    version: int,
    count: int,
    where: str | None,
    k: int,
    modality: Any,
    dim: int,
    asked: int,
    seed: int,
    whole: list[Index],
    in_shards: dict[tuple[int, int], ShardedIndex],
) -> None:
    """To the bit where every row is read; at a promised recall at least as much is found, by the same lists."""
    queries = clustered(asked, seed, WIDTH)
    exclude = [[number, 40 + number] for number in range(asked)] if seed % 3 == 0 else None
    condition = None if where is None else parse_where(where)
    fields: dict[str, Any] = {"k": k, "modality": modality, "dim": dim, "where": condition, "exclude": exclude}
    shards, one = in_shards[version, count], whole[version]
    true = one.search(queries, SearchRequest(**fields, recall=1.0))
    same(shards.search(queries, SearchRequest(**fields, recall=1.0)), true)
    request = SearchRequest(**fields, recall=0.9, explain=True)
    found, alone = shards.search(queries, request), one.search(queries, request)
    assert found.explanation
    assert alone.explanation
    assert found.explanation.chosen == alone.explanation.chosen
    assert share(found, true) >= share(alone, true) - 0.002
    known = found.ids[found.ids >= 0][:20]
    assert shards.rows(known).equals(one.rows(known))


@pytest.mark.slow
def test_the_promise_of_shards_and_of_a_shard_alone(url: str, whole: list[Index]) -> None:
    queries = clustered(300, 9, WIDTH)
    for where in (None, parse_where("metadata['number'] like '%1%'"), parse_where("start < 10000")):
        request, exact = (SearchRequest(10, "text", recall=recall, where=where) for recall in (0.95, 1.0))
        true = whole[1].search(queries, exact)
        assert share(sharded(url, 3, 2).search(queries, request), true) >= 0.95
        for number in range(3):
            shard = open_index(url, version=2, shard=(number, 3))
            assert share(shard.search(queries, request), shard.search(queries, exact)) >= 0.95


@pytest.mark.slow
@pytest.mark.parametrize("count", MANY)
def test_each_row_is_in_one_shard(count: int, url: str, whole: list[Index]) -> None:
    shards = [open_index(url, shard=(number, count)) for number in range(count)]
    assert sum(map(len, shards)) == len(whole[2]) == len(ShardedIndex(shards))
    ids = [np.arange(one.first_id, one.first_id + one.rows) for shard in shards for one in shard._provenance.stretches]
    assert sorted(np.concatenate(ids).tolist()) == list(range(ROWS + 38))
    sizes = [sum(one.rows for one in shard._provenance.stretches) for shard in shards]
    lists = [int(one.whole_sizes.max()) for one in shards[0]._shelves["text"].segments if one.whole_sizes is not None]
    assert max(sizes) <= (ROWS + 38) / count + 2 + 2 * sum(lists)  # of each segment, a list more at either end
    with pytest.raises(InputError, match="no row 999999"):
        ShardedIndex(shards).rows([999_999])


@pytest.mark.slow
def test_a_shard_maps_and_loads_only_its_rows(url: str) -> None:
    def held(index: Index) -> tuple[int, int]:
        """Bytes that are mapped, and bytes of codes."""
        segments = [one for shelf in index._shelves.values() for one in shelf.segments]
        arrays: list[Any] = [array for one in segments for array in (one.rows, one._rows_8, one._scales)]
        mapped = sum(array.base.size * array.itemsize for array in arrays if array is not None)
        codes = [one.codes for one in segments if one.codes is not None]
        return mapped, sum(int(one.invlists.compute_ntotal()) * (one.M // 2 + 8) for one in codes)

    everything, parts = held(open_index(url)), [held(open_index(url, shard=(number, 4))) for number in range(4)]
    for kind in (0, 1):
        assert sum(part[kind] for part in parts) == everything[kind]
        assert max(part[kind] for part in parts) < everything[kind] * 0.35


@pytest.mark.slow
def test_flat_indexes_have_shards_too(tmp_path: Path) -> None:
    place = str(tmp_path / "index")
    built(place, text=range(30), speech=range(5))
    index, queries = open_index(place), np.random.default_rng(1).standard_normal((6, 8)).astype(np.float32)
    for count in (2, 8):
        for request in (SearchRequest(), SearchRequest(50, "text"), SearchRequest(3, where=parse_where("start < 9"))):
            same(sharded(place, count).search(queries, request), index.search(queries, request))


def test_what_is_no_set_of_shards_is_named(tmp_path: Path) -> None:
    place, other = str(tmp_path / "index"), str(tmp_path / "other")
    built(place, text=range(6))
    built(other, text=range(7))
    first, second = (open_index(place, shard=(number, 2)) for number in range(2))
    live.delete(place, parse_where("start = 1"))
    newer, foreign = open_index(place, shard=(1, 2)), open_index(other, shard=(1, 2))
    third = open_index(place, version=1, shard=(1, 3))
    for shards, message in (
        ([], "no shards were given"),
        ([first], r"index: shard \(1, 2\) is missing"),
        ([second], r"index: shard \(0, 2\) is missing"),
        ([first, second, second], r"shard \(1, 2\) is given twice"),
        ([first, newer], r"shard \(1, 2\) is of version 2, .*shard \(0, 2\) of version 1; open all with the same"),
        ([first, foreign], r"other: shard \(1, 2\) is of another index"),
        ([first, third], "open all shards with the same number of shards"),
        ([open_index(place)], "was opened whole"),
    ):
        with pytest.raises(InputError, match=message):
            ShardedIndex(shards)
    for wrong in ((2, 2), (-1, 2), (0, 0)):
        with pytest.raises(SpecError, match=r"give .i, n. with i from 0 to n - 1"):
            open_index(place, shard=wrong)
    assert len(ShardedIndex([second, first])) == 6


@pytest.mark.slow
def test_all_shards_are_audited_together(url: str) -> None:
    shards = [open_index(url, shard=(number, 3)) for number in range(3)]
    queries, where = clustered(30, 5, WIDTH), parse_where("metadata['number'] like '%1%'")
    for request in (SearchRequest(10, recall=0.9), SearchRequest(10, "text", recall=0.9, where=where)):
        with ShardedIndex(shards, audit=1.0) as index:
            found, true = (index.search(queries, one) for one in (request, replace(request, recall=1.0)))
            assert index._auditor is not None
            assert index._auditor.wait(60)
            (row,) = counted(index._auditor.counts)
        assert row.questions == 30
        assert row.recall == pytest.approx(share(found, true), abs=0.001)
    with pytest.raises(SpecError, match="audit all shards together"):
        open_index(url, shard=(0, 3), audit=0.1)
    with pytest.raises(SpecError, match="must be from 0 to 1"):
        ShardedIndex(shards, audit=2)
