"""Sources: recordings and texts that a package manager can install, and manifests of the user's own.

In: a cache folder and languages.  Out: clips and captions, each source with its licence.
Begin at `table`, which lists the sources; a new one is a file here and its name there.
"""
