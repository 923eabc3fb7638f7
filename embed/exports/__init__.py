"""Exports of vectors: a version of a dataset written in the form of another store.

In: a published version and a width.  Out: a folder with the vectors and their provenance, and what the store needs to
load them.  Begin at `export` (the driver) and `targets` (the stores by name); to add a store, see `targets`.
"""
