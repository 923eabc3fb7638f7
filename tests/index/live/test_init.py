"""Whatever is appended, deleted and compacted, in whatever order: the index answers as one that is built anew."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embed.encoder import FloatArray
from embed.tables import ID
from index.ask.searcher import open_index
from index.contracts import SearchRequest
from index.filter import parse_where
from index.live import compact, delete, merge
from index.verify import verify_index
from tests.index.living import MEMORY, appended, asset, built, live, vector

FIRST, ROWS = 16, 24  # rows that are there at first, and that there may be
QUERIES: FloatArray = np.stack([vector(number) for number in range(100, 104)])

NUMBERS = st.lists(st.integers(0, ROWS - 1), min_size=1, max_size=5)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["come", "go", "delete"]), NUMBERS),
        st.tuples(st.just("forget"), st.lists(st.integers(0, ROWS - 1), min_size=1, max_size=1)),
        st.tuples(st.sampled_from(["compact", "merge"]), st.just([])),
    ),
    min_size=1,
    max_size=6,
)


class Model:
    """What the index should hold, by plain sets of numbers."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.there, self.taken, self.deleted = set(range(FIRST)), set[int](), set[int]()

    @property
    def live(self) -> set[int]:
        return self.there - self.deleted

    def do(self, step: str, numbers: list[int]) -> None:
        if step == "delete":
            meant = self.live & set(numbers)
            if meant:
                delete(self.url, parse_where(" or ".join(f"start = {number}" for number in sorted(meant))))
            self.deleted |= meant
        elif step in ("compact", "merge"):
            {"compact": compact, "merge": merge}[step](self.url)
        else:
            self.taken |= {n for n in range(ROWS) if step == "forget" and n // 2 == numbers[0] // 2}
            self.there = (self.there | set(numbers) if step == "come" else self.there - set(numbers)) - self.taken
            appended(self.url, sorted(self.there), forgotten=self.taken)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """By whether it is coded, an index of the first rows."""
    places = {coded: tmp_path_factory.mktemp("begun") for coded in (False, True)}
    for coded, place in places.items():
        built(str(place), range(FIRST), coded=coded)
    return places


def answers(url: str) -> tuple[list[list[bytes]], FloatArray]:
    """The segments that answer each query, best first, and their scores; all rows do."""
    index = open_index(url)
    hits = index.search(QUERIES, SearchRequest(k=ROWS, modality="text", recall=1.0))
    segments = [index.rows(ids[ids >= 0])["segment_id"].to_pylist() for ids in hits.ids]
    return segments, hits.scores


@pytest.mark.slow
@pytest.mark.parametrize("coded", [False, True], ids=["flat", "coded"])
@settings(max_examples=15, deadline=None, derandomize=True)
@given(steps=STEPS)
def test_any_changes_equal_a_fresh_build(
    coded: bool, begun: dict[bool, Path], steps: list[tuple[str, list[int]]]
) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as scratch:
        model = Model(str(shutil.copytree(begun[coded], Path(scratch) / "index")))
        for step, numbers in steps:
            model.do(step, numbers)
            assert live(model.url) == sorted(model.live)
        forgotten = pa.array([asset(number) for number in sorted(model.taken)], ID)
        assert [finding for finding in verify_index(model.url, forgotten=forgotten) if finding.problems] == []
        if model.live:
            built(f"{scratch}/fresh", sorted(model.live))
            same(answers(model.url), answers(f"{scratch}/fresh"))


def same(found: tuple[list[list[bytes]], FloatArray], wanted: tuple[list[list[bytes]], FloatArray]) -> None:
    assert found[0] == wanted[0]
    np.testing.assert_allclose(found[1], wanted[1], atol=1e-6)
