"""Archive: the assets to embed.

In: the inputs of a spec.  Out: MANIFEST, a table with one row an asset.
Begin at `manifest`; `listing` finds files, `inputs` describes what a user may give, `described` their metadata.
"""
