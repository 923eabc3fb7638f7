"""Calibration: the recall and the cost of each depth of search.

In: rows, questions, their true neighbours.  Out: curves of recall and cost, kept in the manifest.
Begin at `calibrate`; `questions` chooses the questions, `truth` has the exact answers.
"""
