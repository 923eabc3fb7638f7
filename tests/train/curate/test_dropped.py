from train.curate.dropped import Dropped, count_reasons


def test_reasons_are_counted_the_most_frequent_first() -> None:
    reasons = count_reasons(Dropped(str(number), "silent" if number else "missing") for number in range(3))
    assert list(reasons.items()) == [("silent", 2), ("missing", 1)]
