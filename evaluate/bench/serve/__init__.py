"""Bench of the search service: latency and throughput of typed and spoken questions.  `python -m evaluate.bench.serve`.

In: an index, made up or real, and the released model.  Out: rows of one measure each.
Begin at `__main__`; `servers` starts the services in processes of their own, `load` asks them.
"""
