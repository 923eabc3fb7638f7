"""Filters: which clips are kept, and why the others are dropped.

In: clips.  Out: for each None, or the reason to drop it; every dropped clip is counted under its reason.
Begin at `table`, which lists the filters; a new one is a file here and a line there.
"""
