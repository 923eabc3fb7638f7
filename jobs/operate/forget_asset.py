"""`deglu forget`: an asset is taken down, at once for readers, for good after compaction."""

from collections.abc import Mapping, Sequence
from typing import Any

from embed.dataset import forget as takedown
from embed.dataset.log import newest_version, versions
from embed.dataset.tombstones import forgotten
from embed.identity import asset_id
from embed.storage.store import absolute
from jobs.command.output import Plain
from jobs.command.terminal import many


def forget(url: str, assets: Sequence[str], compact: bool = False) -> Plain:
    """Hide the assets at these uris from readers for ever; with `compact`, purge the bytes of all that are forgotten.

    Raises InputError, naming similar ones, for a uri that was never listed here; then nothing is done.
    """
    url, uris = absolute(url), list(dict.fromkeys(assets))
    before, readable = newest_version(url), versions(url)
    known = set(forgotten(url).to_pylist())
    version = takedown.forget(url, uris, compact)
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
    return Plain(document, _in_words(document))


def _in_words(told: Mapping[str, Any]) -> str:
    url, new, old = told["dataset"], told["forgotten"], told["forgotten_before"]
    where = f"{url} version {told['version']}" if told["version"] else f"{url}, nothing published yet"
    lines = [f"{where}: {many(told['rows'], 'vector')} left"]
    if new:
        lines.append(f"forgotten {many(len(new), 'asset')} now, {many(told['rows_hidden'], 'vector')} hidden")
    if old:
        lines.append(f"before    {many(len(old), 'asset')} forgotten already: {', '.join(old[:5])}")
    if not told["compacted"]:
        return "\n".join([*lines, f"kept      the bytes are in older files until: deglu forget {url} --compact"])
    removed = ", ".join(map(str, told["versions_removed"]))
    gone = f"; removed, since they held them: version {removed}" if removed else ""
    return "\n".join([*lines, f"purged    no file holds what is forgotten{gone}", f"proof     deglu verify {url}"])
