"""A standing index kept up to date: the door to what changes it between two builds.

    append   rows that the dataset has got or lost since       a version with one more segment for each modality
    merge    small segments become larger ones                 the version after, with the same rows
    delete   rows that must not be found any more              a version that hides them
    compact  one segment for each modality, nothing removed    a version without them; older ones are taken away

Each change is one version more, which readers see whole or not at all; those of older versions are not disturbed until
a compaction.  Writers may come at the same time: the one that was second begins again from what the first has made.
"""

from index.live.append import append
from index.live.compact import compact, merge, to_merge
from index.live.delete import delete
from index.live.revise import Change

__all__ = ["Change", "append", "compact", "delete", "merge", "to_merge"]
