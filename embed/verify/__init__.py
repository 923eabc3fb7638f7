"""Verification: checks of a version of a dataset, by reading storage only.

In: the url of a dataset.  Out: checks, each with the problems found.
Begin at `verify`.
"""
