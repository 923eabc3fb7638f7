"""Packages: recordings and texts from package managers.

In: names of packages.  Out: folders with their files, unpacked without root.
Begin at `apt` or `npm`.
"""
