"""Sources: recordings and texts from package managers, and the user's own manifests.

In: a cache folder and languages.  Out: clips and captions, each source with its licence.
Begin at `table`, which lists the sources; a new one is a file here and its name there.
"""
