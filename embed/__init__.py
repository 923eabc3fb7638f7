"""Embedding: recordings and texts become vectors.

In: recordings and texts by url, EmbedSpec.  Out: a dataset of vectors on storage, in versions.
The data passes through `archive`, `audio` and `text`, `segmentation`, `model`, `dataset`; `verify` checks a version,
`storage` is the only code that reads and writes bytes.  The contracts are the modules of this folder.
Begin at `spec`, `tables` (the schemas), `encoder` (the protocol of models) and `stages` (the steps of one unit).
Importing this package loads neither torch nor Ray.
"""
