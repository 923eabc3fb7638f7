"""Bench of curation: what is repeated in an archive, found or missed, and at what cost.

Begin at `__main__`; `broadcasts` makes the archive, `changes` are the ways in which a sound comes again.
"""
