"""Synthesis: text becomes speech.

In: texts with their language.  Out: recordings, cached, by engines and voices that package managers install.
Begin at `speak`; `installed` finds engines, the others are one engine each.
"""
