"""`deglu forget`: removes an asset, at once for readers, with its bytes after compaction."""

from collections.abc import Mapping, Sequence
from shlex import quote
from typing import Any

from embed.dataset import forget as takedown
from embed.dataset.log import newest_version, versions
from embed.dataset.tombstones import forgotten
from embed.identity import asset_id
from embed.quantities import many
from embed.repeats.find import purge_forgotten
from embed.storage.store import absolute
from jobs.command.output import Plain
from jobs.command.terminal import joined


def forget(url: str, assets: Sequence[str], compact: bool = False) -> Plain:
    """Hide the assets at these uris from readers permanently; with `compact`, delete the bytes of all forgotten assets.

    Raises InputError, with similar uris, for a uri that was never listed here; then nothing is changed.
    """
    url, uris = absolute(url), list(dict.fromkeys(assets))
    before, readable = newest_version(url), versions(url)
    known = set(forgotten(url).to_pylist())
    version = takedown.forget(url, uris, compact)
    if compact:
        purge_forgotten(url)
    left = versions(url)
    document = {
        "dataset": url,
        "version": version.number if version.complete else None,
        "forgotten": [uri for uri in uris if asset_id(uri) not in known],
        "forgotten_before": [uri for uri in uris if asset_id(uri) in known],
        "rows_hidden": before.rows - version.rows if before else 0,
        "rows": version.rows if version.complete else 0,
        "compacted": compact,
        "versions": left,
        "versions_removed": sorted(set(readable) - set(left)),
    }
    return Plain(document, _text(document))


def _text(document: Mapping[str, Any]) -> str:
    url, new, old = document["dataset"], document["forgotten"], document["forgotten_before"]
    where = f"{url} version {document['version']}" if document["version"] else f"{url}, nothing published yet"
    lines = [f"{where}: {many(document['rows'], 'vector')} left"]
    if new:
        lines.append(f"forgotten {many(len(new), 'asset')} now, {many(document['rows_hidden'], 'vector')} hidden")
    if old:
        lines.append(f"before    {many(len(old), 'asset')} forgotten already: {', '.join(old[:5])}")
    if not document["compacted"]:
        return joined([*lines, f"kept      the bytes stay in older files until: deglu forget {quote(url)} --compact"])
    gone = document["versions_removed"]
    numbers = f"version{'' if len(gone) == 1 else 's'} {', '.join(map(str, gone))}"
    deleted = f"; deleted with their bytes: {numbers}" if gone else ""
    purged = f"purged    no file contains a forgotten asset{deleted}"
    return joined([*lines, purged, f"check     deglu verify {quote(url)}"])
