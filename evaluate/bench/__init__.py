"""Benches: speed, memory and quality next to peers.  `python -m evaluate.bench`, or one of them by its name.

In: recordings and texts, or made-up rows.  Out: one document a bench, rows of a measure with ours, theirs and the goal.
It may import anything, and only tests import it.  `embed`, `index` and `train` are folders of benches; `s3_server` is
the real S3 server that benches and tests start.
Begin at `shape` (the document) and `command` (the options of every bench).
"""
