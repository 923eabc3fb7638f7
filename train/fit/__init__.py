"""Fit: the training loop.

In: a strategy and batches.  Out: trained weights, checkpoints, metrics.
Begin at `loop`; `step` is one step; a stopped training resumes from a `checkpoint`.
"""
