"""Benchmarks: questions, a collection and the right answers, of speech, of text, or of both.

In: a folder of BEIR's shape with audio, or a manifest of recordings with texts.  Out: a Benchmark.
Begin at `benchmark`; `beir` and `manifest` read the two shapes.
"""
