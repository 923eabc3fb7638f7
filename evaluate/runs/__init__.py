"""Runs: what systems answered, ours or any others', and their comparison.

In: run files and qrels, or folders of reports.  Out: means with intervals, paired differences, significance.
Begin at `compare`.
"""
