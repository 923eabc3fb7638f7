"""Index: vectors become an index, a question becomes an answer.

In: a vectors dataset and IndexSpec; then questions and a SearchRequest.  Out: hits, answers.  Contracts are at the top.

`building` makes a version, `live` keeps it up to date, `ask` opens it and answers questions.  Imports point one way:
`live` > `building` > `calibration` (what each depth finds) > `rungs` (route, scan, rank, exact) > `parts` (files);
`ask` rests on the last three, and on `audit`, which measures the recall of real questions.
Only `faiss_library` imports faiss; importing this package loads no torch.  Begin at `contracts`.
"""
