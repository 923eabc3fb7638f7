"""Robustness: a task's recordings changed by noise, a telephone, speed, clipping or a room, and what that costs.

In: tasks, changes and their levels.  Out: nDCG by level, the difference to the unchanged, the area under the curve.
Begin at `measure`; `changes` is the table of changes, `unseen` has recordings of other speakers.
"""
