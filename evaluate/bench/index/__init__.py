"""Bench of the index: recall against cost, against peers.  `python -m evaluate.bench.index`.

In: vectors of real passages.  Out: rows of one measure each, and a plot.
Begin at `__main__`; `compare` runs the contenders.
"""
