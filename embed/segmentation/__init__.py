"""Segmentation: assets become units, units become segments.

In: MANIFEST and the rules of cutting.  Out: UNITS, then segments with their ids and their samples or text.
Begin at `units` (what is committed and resumed) and `cut` (what gets a vector); `rules` are the rules.
"""
