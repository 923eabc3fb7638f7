"""Updates of an existing index: the changes between two builds.

    append   rows that the dataset has gained or lost          a version with one more segment for each modality
    merge    small segments become larger ones                 the next version, with the same rows
    delete   rows that must not be found any more              a version that hides them
    compact  one segment for each modality, nothing removed    a version without removed rows; older ones are deleted

Each change adds one version, which readers see complete or not at all; readers of older versions are not affected until
a compaction.  Several writers may run at once: the second one starts again from the version that the first published.
"""

from index.live.append import append
from index.live.compact import compact, merge, to_merge
from index.live.delete import delete
from index.live.revise import Change

__all__ = ["Change", "append", "compact", "delete", "merge", "to_merge"]
