"""Benchmarks: recorded prompts and data sets of the hub, written in BEIR's shape with audio.

In: the name of a benchmark, languages, and for a data set of the hub its Parquet files.  Out: a folder with
`corpus.jsonl`, `queries.jsonl`, `qrels/PART.tsv` and a card, which `evaluate` reads as it reads the user's own.
Begin at `table`, which lists the names; `folder` writes, `prompts` and `hub` say what.
"""
