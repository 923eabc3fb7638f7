"""Indexing: `deglu index`, its `--append`, `--delete` and `--compact`.

In: IndexSpec.  Out: a published version of an index.
Begin at `build_index` and `update_index`.
"""
