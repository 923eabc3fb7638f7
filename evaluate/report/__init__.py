"""Report: what an evaluation found, as text, JSON and plots.

In: tasks with the scores of their systems.  Out: a report, and the gates it misses.
Begin at `report`.
"""
