"""Compaction: publishes a version whose files have no row under a tombstone, then deletes forgotten assets.

The steps, in this order; when a compaction is killed, the next one completes its steps:

1. new entries with rewritten files, ledger, failures and assets: of the draft of a running run, then of the version
   that readers see; earlier versions with rows of forgotten assets are no longer readable
2. entries that are no longer readable are replaced by a note, so that no reader opens them
3. files that no entry names are deleted.  The number in a file's name is that of the entry it was written for; where
   that number is used already, no later entry will name the file
4. staged units, runs and plans of forgotten assets, and unfinished files of killed writers are deleted
"""

import io
import json
import re
from collections.abc import Iterator
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from embed.accounting import account
from embed.dataset import data_files
from embed.dataset.job import read_job
from embed.dataset.log import (
    append,
    draft_number,
    newest_entry,
    place_after,
    read_entry,
    remove_entries,
    visible_version,
)
from embed.dataset.orphans import files_in, orphans
from embed.dataset.staging import marks_of, read_units, staged
from embed.dataset.tombstones import forgotten, merged_tombstones
from embed.dataset.version import (
    FileRef,
    Version,
    damaged,
    forgotten_of,
    read_ledger,
    read_table,
    without_tombstoned,
    write_table,
)
from embed.errors import InputError
from embed.identity import asset_id
from embed.storage.numbered_log import consistent, numbers
from embed.storage.store import delete, join, listing, read_bytes, sweep, write_bytes


def compact(url: str) -> None:
    """Rewrite files with rows under tombstones, merge small files, and purge forgotten assets."""
    append(url, partial(_draft, url))
    append(url, partial(_visible, url))
    newest = consistent(lambda: _purge_log(url))
    if newest is not None:
        _purge_staging(url, newest)
        _purge_runs(url)
        sweep(url)


def assets_without(url: str, version: Version, ids: pa.Array, number: int) -> FileRef | None:
    """A version's list of assets, without `ids`."""
    if version.assets is None:
        return None
    assets = read_table(url, version.assets)
    kept = assets.filter(pc.invert(pc.is_in(assets["asset_id"], value_set=ids)))
    return version.assets if len(kept) == len(assets) else write_table(url, "assets", kept, number)


def plans_of(url: str) -> Iterator[tuple[str, pa.Table]]:
    """Every stored plan of a run: its url, and MANIFEST."""
    for entry in listing(join(url, "plans"), ".parquet"):
        try:
            yield entry.url, pq.read_table(io.BytesIO(read_bytes(entry.url)))
        except pa.ArrowException:
            raise damaged(entry.url) from None


def _draft(url: str, base: Version | None) -> Version | None:
    """Compacted entry of the draft that writers continue from, where there is one."""
    if base is None or base.complete:
        return None
    entry = _compacted(url, base, base)
    return None if entry.contents() == base.contents() else entry


def _visible(url: str, base: Version | None) -> Version | None:
    """Compacted entry of the version that readers see; it names the current draft."""
    seen = visible_version(url, base)
    if base is None or seen is None:
        return None
    entry = _compacted(url, seen, base).model_copy(update={"published": _clean(url, base)})
    same = entry.contents() == seen.contents() and entry.published == base.readable()
    return None if same else entry.model_copy(update={"draft": draft_number(base)})


def _compacted(url: str, contents: Version, base: Version) -> Version:
    """The entry after `base`, with the files of `contents`, rewritten where necessary."""
    place = place_after(base)
    number, schema = place["number"], read_job(url, contents.job).row_schema()
    stones = merged_tombstones(
        pa.concat_tables([read_table(url, one.tombstones) for one in (contents, base)]), None, None
    )
    former = read_ledger(url, contents)
    live = without_tombstoned(former, stones)
    failures = read_table(url, contents.failures)
    kept = failures.filter(pc.is_in(failures["unit_id"], value_set=live["unit_id"].combine_chunks()))
    # Hidden rows are removed with their units, so only tombstones of forgotten assets are still needed.
    remaining = merged_tombstones(stones, None, None, forgotten_only=True)
    whole = live.num_rows == sum(ref.rows for ref in contents.ledger)
    changes = {
        "draft": None,
        "data": tuple(_data(url, contents, stones, schema, number)),
        "ledger": contents.ledger if whole else (write_table(url, "ledger", live, number),),
        "failures": write_table(url, "failures", kept, number) if len(kept) < len(failures) else contents.failures,
        "tombstones": write_table(url, "tombstones", remaining, number, contents.tombstones),
        "assets": assets_without(url, contents, forgotten_of(stones), number),
        "rows": pc.sum(live["rows"], min_count=0).as_py(),
        "accounting": account(live),
    }
    return contents.model_copy(update={**place, **changes})


def _data(url: str, contents: Version, stones: pa.Table, schema: pa.Schema, number: int) -> Iterator[FileRef]:
    for group in data_files.groups(contents.data):
        if len(group) == 1 and not (stones.num_rows and _has_hidden(url, group[0], stones)):
            yield group[0]
            continue
        kept = data_files.rewrite_as_one(url, group, lambda table: without_tombstoned(table, stones), schema, number)
        if kept is not None:
            yield kept


def _has_hidden(url: str, ref: FileRef, stones: pa.Table) -> bool:
    tables = data_files.tables_of(url, ref, ["asset_id", "content_version"])
    return any(without_tombstoned(table, stones).num_rows < table.num_rows for table in tables)


def _clean(url: str, base: Version) -> tuple[int, ...]:
    """Readable versions without rows or names of forgotten assets."""
    stones = merged_tombstones(read_table(url, base.tombstones), None, None, forgotten_only=True)
    has_forgotten: dict[str, bool] = {}

    def is_clean(number: int) -> bool:
        version = read_entry(url, number)
        for ref in version.files():
            if ref.name not in has_forgotten and ref != version.tombstones:
                has_forgotten[ref.name] = (_has_hidden if ref in version.data else _names)(url, ref, stones)
        return not any(has_forgotten.get(ref.name) for ref in version.files())

    return base.readable() if not stones.num_rows else tuple(filter(is_clean, base.readable()))


def _names(url: str, ref: FileRef, stones: pa.Table) -> bool:
    ids = read_table(url, ref, ["asset_id"])["asset_id"]
    return bool(pc.any(pc.is_in(ids, value_set=forgotten_of(stones)), min_count=0).as_py())


def _purge_log(url: str) -> Version | None:
    """Remove entries that are neither readable nor needed by writers, then the files that no other entry names."""
    newest = newest_entry(url)
    if newest is None:
        return None
    left = {newest.number, *newest.published, *([newest.draft] if newest.draft else [])}
    kept = [newest, *(read_entry(url, number) for number in left - {newest.number})]
    gone = [number for number in numbers(url) if number < newest.number and number not in left]
    readable = newest.readable()
    remove_entries(url, gone, f"compacted; version {readable[-1]} holds what is left" if readable else "compacted")
    files = files_in(url)
    delete([files[name].url for name in orphans(files, kept) if _is_written_for(name, newest.number)])
    return newest


def _is_written_for(name: str, newest: int) -> bool:
    """Whether a file was written for an entry up to the newest: then no later entry names it."""
    numbered = re.search(r"/(\d{8})-[^/]*$", name)
    return numbered is not None and int(numbered[1]) <= newest


def _purge_staging(url: str, newest: Version) -> None:
    """Remove staged units of forgotten assets, and all staged units of jobs before the newest version's job."""
    ids = set(forgotten(url).to_pylist())
    for number in sorted({int(found[1]) for found in _staging_folders(url)}):
        try:
            job = read_job(url, number)
        except InputError:
            continue  # a folder that Deglu did not write
        waiting = staged(job)
        if number >= newest.job:
            waiting = [unit.unit_id for unit in read_units(job, waiting) if unit.ledger["asset_id"] in ids]
        delete(marks_of(job, waiting))


def _staging_folders(url: str) -> Iterator[re.Match[str]]:
    for entry in listing(join(url, "staging"), ".parquet"):
        if found := re.search(r"/staging/(\d{8})/[^/]+$", entry.url):
            yield found


def _purge_runs(url: str) -> None:
    """Remove names of forgotten assets from runs and plans; runs first, since plans have the forgotten uris."""
    ids, plans, uris = forgotten(url), [], set[str]()
    for place, plan in plans_of(url):
        hidden = pc.is_in(plan["asset_id"], value_set=ids)
        if pc.any(hidden, min_count=0).as_py():
            uris.update(plan.filter(hidden)["uri"].to_pylist())
            plans.append((place, plan.filter(pc.invert(hidden))))
    plans += list(_passed_over_without(url, set(ids.to_pylist())))
    for entry in listing(join(url, "runs"), ".json"):
        run = read_bytes(entry.url)
        cleaned = _without_forgotten(run, set(ids.to_pylist()), uris)
        if cleaned != run:
            write_bytes(entry.url, cleaned)
    for place, plan in plans:
        sink = io.BytesIO()
        pq.write_table(plan, sink, compression="zstd")
        write_bytes(place, sink.getvalue())


def _passed_over_without(url: str, ids: set[bytes]) -> Iterator[tuple[str, pa.Table]]:
    """Lists of files that are passed over, without forgotten ones where they have any: a file may be excluded later."""
    for entry in listing(join(url, "passed_over"), ".parquet") if ids else ():
        files = pq.read_table(io.BytesIO(read_bytes(entry.url)))
        kept = pa.array([asset_id(uri) not in ids for uri in files["uri"].to_pylist()], pa.bool_())
        if not all(kept.to_pylist()):
            yield entry.url, files.filter(kept)


def _without_forgotten(run: bytes, ids: set[bytes], uris: set[str]) -> bytes:
    """A run's JSON without the names of forgotten assets."""
    try:
        fields: dict[str, Any] = json.loads(run)
    except ValueError:
        return run
    slow = [uri for uri in fields.get("slow", ()) if asset_id(uri) not in ids]
    named = any(uri in fields.get("note", "") for uri in uris)
    if not named and len(slow) == len(fields.get("slow", ())):
        return run
    return json.dumps({**fields, "slow": slow, **({"note": ""} if named else {})}, indent=1).encode()
