"""Index: vectors become an index, a question becomes an answer.

In: a dataset of vectors and IndexSpec; then queries.  Out: versions of an index; hits with their provenance.
`building` makes a version, `calibration` measures it, `parts` are its files, `live` keeps it up to date; `ask` searches
it by the `rungs`.  The contracts are the modules of this folder.
Begin at `contracts`, `spec` and `ladder` (the rungs and their settings), then `building.build` or `ask.searcher`.
faiss is imported by `faiss_library` alone; importing this package loads no torch.
"""
