"""Measures: numbers from ranked answers and relevance.

In: scores or rankings, and relevance.  Out: metrics, by dim, with confidence intervals.
Begin at `metrics`; `bootstrap` has the intervals.
"""
