"""Audit: the recall that real questions find, measured while an index is in use.

In: a sample of the questions that an opened index answers.  Out: counts of what was found, by the recall promised, kept
in a small file for each process; their bounds.  No question is kept, neither its vector nor its text.
Begin at `auditor`; `counts` holds what was found, `bounds` says what follows from it, `files` keeps it.
"""
