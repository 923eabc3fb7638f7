"""Fingerprints of sound: recordings that repeat one another are found by their spectral peaks.

In: samples at 16 kHz.  Out: the peaks of a unit (`peaks`), and the spans of a unit that repeat earlier ones
(`matching`, `spans`).  Begin with `peaks`.  Nothing is read or written here; `embed.repeats` keeps them.
"""
