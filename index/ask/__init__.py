"""Asking: a question becomes an answer.

In: queries [q, D], how many hits, how deep.  Out: hits with their provenance.
Begin at `searcher`; `plan` chooses the depth, `opened` opens a version's parts.
"""
