"""Segmentation: assets become units, units become segments.

In: MANIFEST and the rules of cutting.  Out: UNITS, then segments with their ids and their samples or text.
Begin at `units` (units of work, committed and resumed) and `cut` (segments, which get vectors); `rules` has the rules.
"""
