"""Bench of embedding: speed against peers.  `python -m evaluate.bench.embed`.

In: recordings and passages made here.  Out: rows of one measure each.
Begin at `__main__`.
"""
