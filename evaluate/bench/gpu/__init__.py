"""Bench of a GPU: all that only a GPU can show, within a few minutes.  `python -m evaluate.bench.gpu`.

In: random models of the production's size, sound and texts made here.  Out: rows, the most important first.
Begin at `__main__`; `parts` lists what runs, `part` runs one in a process of its own.
"""
