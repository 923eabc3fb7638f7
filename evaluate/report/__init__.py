"""Report: the results of an evaluation as text, JSON and plots.

In: tasks with the scores of their systems.  Out: a report, and the gates that it misses.
Begin at `report`.
"""
