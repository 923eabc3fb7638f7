"""Manifest: every asset of the inputs, listed and probed once; the fixed denominator of progress and accounting.

Archives have millions of files: they are handled in batches, and a file that has not changed since an earlier manifest
is not probed again.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from embed import identity
from embed.archive.assets import Asset
from embed.archive.contents import Contents, Touched, file_of
from embed.archive.inputs import InputSpec
from embed.archive.joined_transcripts import DIGEST, with_digest
from embed.archive.listing import Found, found_in
from embed.archive.metadata.bags import check_checksum
from embed.archive.utterance_lists import recordings_of
from embed.audio import decode as audio
from embed.errors import DegluError, OutsideInput, SpecError
from embed.tables import MANIFEST, PASSED_OVER, TEXT
from embed.text.formats import probe_text

_PROBES_AT_ONCE = 16  # headers are small: threads wait rather than work
_AT_ONCE = 20_000  # assets in memory as Python values
_AS_FOUND = (
    "uri", "url", "modality", "format", "size_bytes", "content_version", "start_ms", "end_ms", "track", "text", "lang",
    "checksum",
)  # fmt: skip
_PROBED = ("duration_s", "items", "tracks", "problem", "columns", "tags")


class Listed(NamedTuple):
    """The inputs of a job: MANIFEST, PASSED_OVER, and notes for the user."""

    assets: pa.Table
    passed_over: pa.Table
    notes: tuple[str, ...]


def list_assets(
    inputs: Sequence[InputSpec],
    known: pa.Table | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    forgotten: Collection[bytes] = frozenset(),
) -> pa.Table:
    """MANIFEST of all inputs: the assets of `list_inputs`."""
    return list_inputs(inputs, known, on_progress, forgotten).assets


def list_inputs(
    inputs: Sequence[InputSpec],
    known: pa.Table | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    forgotten: Collection[bytes] = frozenset(),
    contents: Contents | None = None,
) -> Listed:
    """The assets of all inputs, in their order, then by url, and the files that are passed over.

    An asset that cannot be read is a row with `problem`.  Rows of `known` with equal uri, size and content version
    are not probed again, except those with a problem; where only the time of a file is another, `contents` decides.
    Assets with an id in `forgotten` are left out.  `on_progress` is called with the number of assets that are done, and
    the total.
    Raises InputError for an input that is missing or holds no file to embed, SpecError for two inputs of one name.
    """
    _refuse_same_names(inputs)
    listed = [found_in(spec) for spec in inputs]
    total, done = sum(found.num for found in listed), 0
    before = _Known(known if known is not None else MANIFEST.empty_table())
    parts = [MANIFEST.empty_table()]
    with ThreadPoolExecutor(_PROBES_AT_ONCE) as pool:
        for assets in _batches(asset for found in listed for asset in found):
            kept = [asset for asset in assets if not _is_forgotten(asset.uri, forgotten)]
            done += len(assets) - len(kept)
            drafts = before.settled(_table(kept), contents, pool)
            rows = before.find(drafts)
            probes = pool.map(_probed, (asset for asset, row in zip(kept, rows.tolist(), strict=True) if row < 0))
            results = []
            for probed in probes:
                results.append(probed)
                if on_progress:
                    on_progress(done + len(results), total)
            done += len(kept)
            if on_progress:
                on_progress(done, total)
            parts.append(_with_tags(before.joined(drafts, rows, results), kept))
    manifest = pa.concat_tables(parts)
    notes = [note for spec, found in zip(inputs, listed, strict=True) for note in _notes(spec, found, manifest)]
    notes += contents.notes() if contents else []
    return Listed(manifest, _passed_over(listed, forgotten), tuple(notes))


def _notes(spec: InputSpec, found: Found, manifest: pa.Table) -> Iterator[str]:
    """For the user: globs that match nothing, and what is outside of the input."""
    yield from found.notes()
    if spec.follow == "outside":
        yield f"{found.url}: links and lists may lead out of it (`follow: outside`)"
        return
    own = pc.or_(pc.starts_with(manifest["uri"], f"{spec.name}/"), pc.equal(manifest["uri"], spec.name))
    is_outside = pc.starts_with(pc.fill_null(manifest["problem"], ""), f"{OutsideInput.__name__}:")
    if num := pc.sum(pc.and_(own, is_outside), min_count=0).as_py():
        what = "file that a link or a list leads to is" if num == 1 else "files that links or lists lead to are"
        yield f"{found.url}: {num:,} {what} outside of it, and not read; set `follow: outside` for it to read them"


def _passed_over(listed: Iterable[Found], forgotten: Collection[bytes]) -> pa.Table:
    rows = [row for found in listed for row in found.passed_over() if not _is_forgotten(row[0], forgotten)]
    columns = zip(*rows, strict=True) if rows else ((), ())
    return pa.table([pa.array(column, pa.string()) for column in columns], schema=PASSED_OVER)


def _batches(assets: Iterable[Asset]) -> Iterator[list[Asset]]:
    coming = iter(assets)
    while some := list(islice(coming, _AT_ONCE)):
        yield some


def _refuse_same_names(inputs: Iterable[InputSpec]) -> None:
    seen: dict[str, str] = {}
    for spec in inputs:
        if spec.name in seen:
            raise SpecError(f"inputs {seen[spec.name]} and {spec.url} are both named {spec.name!r}; give one a `name`")
        seen[spec.name] = spec.url


def _is_forgotten(uri: str, forgotten: Collection[bytes]) -> bool:
    """Whether the asset, or the file that it is in, is forgotten."""
    if not forgotten:
        return False
    return any(identity.asset_id(one) in forgotten for one in (uri, *recordings_of(uri)))


class Probed(NamedTuple):
    """The values of _PROBED."""

    duration_s: float | None = None
    items: int | None = None
    tracks: list[int] | None = None
    problem: str | None = None
    columns: list[tuple[str, str]] | None = None
    tags: list[tuple[str, str]] | None = None


def _probed(asset: Asset) -> Probed:
    before = Probed(tracks=None if asset.track is None else [asset.track], columns=_pairs(asset.columns))
    if asset.problem is not None:
        return before._replace(problem=asset.problem)
    try:
        if asset.checksum:
            check_checksum(file_of(asset.url), asset.content_version, asset.checksum)
    except DegluError as error:
        return before._replace(problem=f"{type(error).__name__}: {error}")
    if asset.format in ("utterance", "row"):
        return before
    if asset.size_bytes == 0:
        return before._replace(problem=f"InputError: {asset.url}: empty file (0 bytes)")
    try:
        if asset.modality == TEXT:
            items, settings = probe_text(asset.url, asset.content_version, asset.format, asset.columns)
            return before._replace(items=items, columns=_pairs(settings))
        info = audio.probe(asset.url, before.tracks)
        tags = None if asset.untagged is None else _pairs(audio.tags(asset.url, info.tracks)) or []
        columns = _pairs(with_digest(asset.columns))
        return before._replace(duration_s=info.duration_s, tracks=info.tracks, columns=columns, tags=tags)
    except DegluError as error:
        return before._replace(problem=f"{type(error).__name__}: {error}")


def _table(assets: Sequence[Asset]) -> pa.Table:
    """MANIFEST, not probed yet."""
    columns: dict[str, Any] = {name: [getattr(asset, name) for asset in assets] for name in _AS_FOUND}
    columns["asset_id"] = [identity.asset_id(asset.uri) for asset in assets]
    columns["metadata"] = [list(asset.metadata.items()) for asset in assets]
    columns |= dict.fromkeys(_PROBED, [None] * len(assets))
    columns["columns"] = [_pairs(asset.columns) for asset in assets]
    columns["as_listed"] = [None] * len(assets)
    columns["tags"] = [None if asset.untagged is None else [] for asset in assets]
    return pa.table([pa.array(columns[field.name], field.type) for field in MANIFEST], schema=MANIFEST)


def _with_tags(rows: pa.Table, assets: Sequence[Asset]) -> pa.Table:
    """MANIFEST with the tags of recordings among their metadata, where their input takes them."""
    if all(asset.untagged is None for asset in assets):
        return rows
    whole = [_tagged(asset, tags or ()) for asset, tags in zip(assets, rows["tags"].to_pylist(), strict=True)]
    field = MANIFEST.field("metadata")
    return rows.set_column(MANIFEST.get_field_index("metadata"), field, pa.array(whole, field.type))


def _tagged(asset: Asset, tags: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Its metadata, with the tags that nothing more particular replaces."""
    if asset.untagged is None:
        return list(asset.metadata.items())
    return list({**asset.metadata, **{name: text for name, text in tags if name not in asset.untagged}}.items())


def _given(settings: list[tuple[str, str]] | None) -> list[tuple[str, str]]:
    """The settings without what probing has added."""
    return [one for one in settings or () if one[0] != DIGEST]


def _pairs(settings: dict[str, str]) -> list[tuple[str, str]] | None:
    return sorted(settings.items()) or None


class _Known:
    """Rows of an earlier manifest, by the first half of the asset's id: 16 bytes for each."""

    def __init__(self, manifest: pa.Table) -> None:
        self._rows = manifest
        halves, _ = identity.halves_of(manifest["asset_id"])
        self._order = np.argsort(halves, kind="stable")
        self._sorted = halves[self._order]

    def find(self, drafts: pa.Table) -> NDArray[np.int64]:
        """For each draft its row here; -1 where there is none, it has a problem, or there is more to read of the file.

        That is where the file changed, or its track, or a checksum is stated, or tags are taken, for the first time.
        """
        if not len(self._sorted) or not drafts.num_rows:
            return np.full(drafts.num_rows, -1)
        rows = self._nearest(drafts)
        matches = self._rows.take(rows)
        same = np.asarray(matches["problem"].is_null())
        for name in ("asset_id", "size_bytes", "content_version", "format"):
            same &= pc.equal(drafts[name], matches[name]).to_numpy()
        mapped = zip(drafts["columns"].to_pylist(), matches["columns"].to_pylist(), strict=True)
        same &= np.asarray([_given(one) == _given(other) for one, other in mapped], bool)
        same &= pc.equal(*(pc.fill_null(one["track"], -1) for one in (drafts, matches))).to_numpy()
        same &= pc.equal(*(pc.fill_null(one["checksum"], "") for one in (drafts, matches))).to_numpy()
        same &= pc.or_(pc.is_null(drafts["tags"]), pc.is_valid(matches["tags"])).to_numpy()
        return np.where(same, rows, -1)

    def settled(self, drafts: pa.Table, contents: Contents | None, pool: Executor) -> pa.Table:
        """The drafts, with the content version of here and `as_listed` where only the time of the file is another."""
        if contents is None or not len(self._sorted) or not drafts.num_rows:
            return drafts
        matches = self._rows.take(self._nearest(drafts))
        now, before = drafts["content_version"], matches["content_version"]
        touched = np.asarray(pc.and_(matches["problem"].is_null(), pc.not_equal(now, before)).to_numpy())
        for name in ("asset_id", "size_bytes", "format"):
            touched &= pc.equal(drafts[name], matches[name]).to_numpy()
        for versions in (now, before):
            touched &= pc.starts_with(versions, identity.OF_TIME).to_numpy()
        if not touched.any():
            return drafts
        seen = np.asarray(pc.fill_null(pc.equal(now, matches["as_listed"]), False).to_numpy())
        places = np.flatnonzero(touched & ~seen)
        files = drafts.select(["asset_id", "url", "size_bytes"]).take(places).to_pylist()
        assets = [
            Touched(one["asset_id"], then, one["url"], one["size_bytes"])
            for one, then in zip(files, before.take(places).to_pylist(), strict=True)
        ]
        same = touched & seen
        same[places] = contents.unchanged(assets, pool)
        is_same = pa.array(same)
        for name, values in (
            ("content_version", pc.if_else(is_same, before, now)),
            ("as_listed", pc.if_else(is_same, now, pa.scalar(None, pa.string()))),
        ):
            drafts = drafts.set_column(MANIFEST.get_field_index(name), MANIFEST.field(name), values)
        return drafts

    def _nearest(self, drafts: pa.Table) -> NDArray[np.int64]:
        """For each draft the row here whose id begins as its own, if there is one."""
        places = np.searchsorted(self._sorted, identity.halves_of(drafts["asset_id"])[0])
        found: NDArray[np.int64] = self._order[np.minimum(places, len(self._sorted) - 1)]
        return found

    def joined(self, drafts: pa.Table, rows: NDArray[np.int64], results: Sequence[Probed]) -> pa.Table:
        """The drafts with the values of _PROBED, from here where a row is given, else from `results`."""
        place = np.zeros(len(rows), np.int64)
        place[rows >= 0] = len(results) + np.arange((rows >= 0).sum())
        place[rows < 0] = np.arange(len(results))
        unchanged = self._rows.take(rows[rows >= 0])
        for position, name in enumerate(_PROBED):
            field = MANIFEST.field(name)
            new = pa.chunked_array([pa.array([one[position] for one in results], field.type)])
            both = pa.chunked_array([*new.chunks, *unchanged[name].chunks], field.type)
            drafts = drafts.set_column(MANIFEST.get_field_index(name), field, both.take(pa.array(place)))
        return drafts.combine_chunks()
