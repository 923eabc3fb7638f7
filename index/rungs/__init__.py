"""Rungs: route, scan, rank, exact; each reads fewer rows with more bits.

In: queries [q, D].  Out: candidates, then hits with exact cosines.
Begin at `shelf` (all rungs over one modality); `router`, `coder` and `kernels` are the rungs; `one_call` takes a few
queries through all of them, `gpu` replaces them.
"""
