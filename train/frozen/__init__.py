"""Frozen: inputs of a training that are computed once and kept for every epoch and run.

In: clips and frozen towers.  Out: frames, targets and the nesting transform, in shards on storage.
Begin at `features`.
"""
