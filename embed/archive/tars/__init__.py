"""Tars, whose members are read in place.

In: entries of an input that are tars.  Out: their members as assets, with the text and the metadata of their samples.
Begin with `members`; `index` reads the headers, `samples` finds what belongs together.
"""
