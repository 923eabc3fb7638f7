"""Dataset of vectors on storage, in versions.

In: units with their rows and failures.  Out: a published version, read by `open_dataset`.
Begin at `vectors` (the reader and the layout) and `publish`; `log` is the list of versions, `job` its spec.
"""

from embed.dataset.vectors import VectorsDataset, open_dataset

__all__ = ["VectorsDataset", "open_dataset"]
