"""Demo: `deglu demo`, all steps on this machine.

In: recordings that packages carry.  Out: vectors, an index, answers and their scores.
Begin at `demo_walk`.
"""
