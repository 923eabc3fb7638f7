"""What workers tell arrives; and when no restart helps any more."""

import pytest
import ray

from embed.errors import DegluError, SpecError, WorkLeftUndone
from jobs.cluster.attempts import ATTEMPTS
from jobs.training.event_channel import CheckpointSaved, EventChannel, WorkersStart, event_channel


def test_what_is_put_is_taken_once_and_in_order() -> None:
    box = EventChannel()
    box.put([WorkersStart(0, 6, 2, 0), CheckpointSaved(2)])
    box.put([CheckpointSaved(4)])
    assert box.take() == [WorkersStart(0, 6, 2, 0), CheckpointSaved(2), CheckpointSaved(4)]
    assert box.take() == []


def test_restarts_end_where_nothing_more_is_kept() -> None:
    box = EventChannel()
    for kept in range(20):  # lost again and again, but getting on
        box.start()
        box.put([CheckpointSaved(kept)])
    assert box.over() is None
    for _ in range(ATTEMPTS.restarts):
        box.start()
        box.put([CheckpointSaved(19)])  # the same again
    assert box.over() is None
    box.start()
    assert isinstance(box.over(), WorkLeftUndone)


def test_of_several_errors_the_first_counts() -> None:
    box = EventChannel()
    box.give_up(SpecError("first"))
    box.give_up(DegluError("second"))
    assert str(box.over()) == "first"


@pytest.mark.ray
def test_letters_arrive_before_it_ends_and_errors_are_raised(ray_session: None) -> None:
    taken: list[object] = []

    def tell() -> None:
        with event_channel(taken.append) as box:
            ray.get(box.put.remote([CheckpointSaved(1), CheckpointSaved(2)]))
            ray.get(box.give_up.remote(SpecError("no use")))

    with pytest.raises(SpecError, match="no use"):
        tell()
    assert taken == [CheckpointSaved(1), CheckpointSaved(2)]
