"""Calibration: what each depth of search finds, and what it costs.

In: rows, questions, their true neighbours.  Out: curves of recall and cost, kept in the manifest.
Begin at `calibrate`; `questions` chooses what is asked, `truth` has the exact answers.
"""
