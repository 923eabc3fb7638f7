"""Ranks and codes: what vectors keep in few directions, few bits, or few atoms, next to their prefixes.

In: vectors of questions and documents, and other vectors to fit on.  Out: quality of each code at equal bytes.
Begin at `codings`; `codes` is the table of the codes, `projector` cuts the rank of a fusion.
"""
