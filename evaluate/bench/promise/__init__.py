"""Bench of the index's promise: recall found and recall promised, in every situation that users meet.

In: vectors of real passages and of held-out questions.  Out: rows of one situation each.
Begin at `__main__`; `questions` makes the kinds of questions, `situations` the indexes and filters.
"""
