"""Orphans: files in a dataset's folders that no entry of its log names."""

from collections.abc import Collection, Iterable

from embed.dataset.version import Version
from embed.storage.store import Entry, join, listing

FOLDERS = ("data", "ledger", "failures", "tombstones", "assets")  # whose files entries of the log name


def files_in(url: str) -> dict[str, Entry]:
    """Every file that an entry of the log may name, by name below the dataset's url; one listing a folder."""
    return {entry.url[len(url) + 1 :]: entry for folder in FOLDERS for entry in listing(join(url, folder), ".parquet")}


def orphans(files: Collection[str], entries: Iterable[Version]) -> list[str]:
    """Files without an entry: from killed writers or lost races, or of a run that is about to publish."""
    named = {ref.name for entry in entries for ref in entry.files()}
    return sorted(name for name in files if name not in named)
