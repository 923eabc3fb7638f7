"""Bench of training: speed against peers.  `python -m evaluate.bench.train`.

In: small random towers and clips.  Out: rows of one measure each.
Begin at `__main__`.
"""
