"""Embedding: `deglu embed` and `deglu retry`.

In: EmbedSpec.  Out: a published version of a dataset, and its report.
Begin at `embed_archive`; `preparation` computes what is left, `run_units` sends units to workers, `isolate` finds the
part that crashes one.
"""
