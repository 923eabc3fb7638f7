"""Filters: which clips are kept, and why the others are not.

In: clips.  Out: clips to keep; every dropped one is counted under its reason.
Begin at `recordings`.
"""
