"""Ray tasks over parts: every result once, few at a time, and errors that say what they say without Ray."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pytest

from embed.errors import InputError, WorkLeftUndone
from jobs.cluster.attempts import Attempts
from jobs.cluster.part_tasks import RayTasks

pytestmark = pytest.mark.ray


def _part_type() -> type:
    """Made here, so that Ray sends it by value: workers do not import the tests."""

    @dataclass(frozen=True)
    class Part:
        name: str
        stored_rows: int = 1

        def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
            yield pa.record_batch({"word": [self.name]})

    return Part


PARTS = [_part_type()(name) for name in ("one", "two", "three", "four", "five")]


@pytest.mark.parametrize("workers", [1, 3, None])
def test_every_part_once(workers: int | None, ray_session: None) -> None:
    found = RayTasks(workers)(lambda part: (part.name, sum(batch.num_rows for batch in part.batches())), PARTS)
    assert sorted(found) == sorted((part.name, 1) for part in PARTS)


def test_no_parts(ray_session: None) -> None:
    assert list(RayTasks()(lambda part: part, [])) == []


def test_an_error_of_ours_comes_back_as_it_was(ray_session: None) -> None:
    def refuse() -> Callable[[object], None]:
        def act(part: object) -> None:
            raise InputError("vectors: a damaged vector")

        return act

    with pytest.raises(InputError, match=r"^vectors: a damaged vector$"):
        list(RayTasks()(refuse(), PARTS))


def test_a_part_that_kills_its_worker(ray_session: None) -> None:

    def killing() -> Callable[[object], None]:
        def act(part: object) -> None:
            import os

            os._exit(1)

        return act

    with pytest.raises(WorkLeftUndone, match=r"a worker was lost 1 time .*; finished work is kept: run again"):
        list(RayTasks(1, Attempts(task_retries=0))(killing(), PARTS[:1]))
