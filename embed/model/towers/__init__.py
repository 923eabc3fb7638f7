"""Towers: the frozen encoders of speech and text, and their optimisations.

In: the folder of a checkpoint.  Out: frames of speech, vectors of text.
Begin at `speech` and `text`; `speech_families` has the differences between architectures.
"""
