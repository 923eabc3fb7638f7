"""Parts: the files of an index version, stored, fetched and checked.

In: arrays and tables of one part.  Out: immutable files on storage, and local copies whose SHA-256 is checked.
Begin at `artifact` (the manifest); `write` stores a part, `local` fetches one.
"""
