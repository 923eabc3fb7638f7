"""Verification: a version of a dataset, checked by reading storage alone.

In: the url of a dataset.  Out: checks, each with the problems it found.
Begin at `verify`.
"""
