"""Packages: recordings and texts that package managers install.

In: names of packages.  Out: folders with their files, unpacked without root.
Begin at `apt` or `npm`.
"""
