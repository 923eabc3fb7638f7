"""Building: a vectors dataset becomes a version of an index.

In: a dataset and IndexSpec.  Out: a published manifest and its parts.
Begin at `build`; `survey`, `shard` and `merge` are its steps, `resume` keeps the finished work of a stopped build.
"""
