"""What workers tell arrives; and when no restart helps any more."""

import pytest
import ray

from embed.errors import DegluError, SpecError, WorkLeftUndone
from jobs.cluster.attempts import ATTEMPTS
from jobs.training.postbox import Began, Kept, Postbox, postbox


def test_what_is_put_is_taken_once_and_in_order() -> None:
    box = Postbox()
    box.put([Began(0, 6, 2, 0), Kept(2)])
    box.put([Kept(4)])
    assert box.take() == [Began(0, 6, 2, 0), Kept(2), Kept(4)]
    assert box.take() == []


def test_restarts_end_where_nothing_more_is_kept() -> None:
    box = Postbox()
    for kept in range(20):  # lost again and again, but getting on
        box.start()
        box.put([Kept(kept)])
    assert box.over() is None
    for _ in range(ATTEMPTS.restarts):
        box.start()
        box.put([Kept(19)])  # the same again
    assert box.over() is None
    box.start()
    assert isinstance(box.over(), WorkLeftUndone)


def test_of_several_errors_the_first_counts() -> None:
    box = Postbox()
    box.give_up(SpecError("first"))
    box.give_up(DegluError("second"))
    assert str(box.over()) == "first"


@pytest.mark.ray
def test_letters_arrive_before_it_ends_and_errors_are_raised(ray_session: None) -> None:
    taken: list[object] = []

    def tell() -> None:
        with postbox(taken.append) as box:
            ray.get(box.put.remote([Kept(1), Kept(2)]))
            ray.get(box.give_up.remote(SpecError("no use")))

    with pytest.raises(SpecError, match="no use"):
        tell()
    assert taken == [Kept(1), Kept(2)]
