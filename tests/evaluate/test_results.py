from evaluate.results import Interval, System


def test_an_interval_reads_as_in_a_table() -> None:
    assert str(Interval(0.4372, 0.3811, 0.4789)) == "0.437 [0.38, 0.48]"


def test_full_width_is_the_widest() -> None:
    by_dim = {dim: {"nDCG@10": Interval(mean, mean, mean)} for dim, mean in ((64, 0.3), (384, 0.4), (128, 0.35))}
    assert System("late-fusion", by_dim).full_dim == 384
