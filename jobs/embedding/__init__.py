"""Embedding: `deglu embed` and `deglu retry`.

In: EmbedSpec.  Out: a published version of a dataset, and its report.
Begin at `embed_archive`; `preparation` says what is left, `run_units` hands units to workers, `isolate` finds the part
that crashes one.
"""
