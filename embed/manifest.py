"""The manifest: every asset of the inputs, listed and probed once; the fixed denominator of progress and accounting."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa

from embed import audio, identity, store
from embed.errors import DegluError, InputError, SpecError
from embed.inputs import InputSpec, format_of, is_side_file, modality_of
from embed.tables import MANIFEST, SPEECH

_PROBES_AT_ONCE = 16  # headers are small: this is waiting, not work

log = logging.getLogger(__name__)


def list_assets(inputs: Sequence[InputSpec]) -> pa.Table:
    """MANIFEST of all inputs, in their order, then by url.

    A file that cannot be probed is a row with `problem`.  Raises InputError for an input that is missing or
    holds no file to embed, SpecError for two inputs of one name.
    """
    _refuse_same_names(inputs)
    found = [pair for spec in inputs for pair in _found(spec)]
    with ThreadPoolExecutor(_PROBES_AT_ONCE) as pool:
        rows = list(pool.map(lambda pair: _row(*pair), found))
    return pa.Table.from_pylist(rows, schema=MANIFEST)


def _refuse_same_names(inputs: Iterable[InputSpec]) -> None:
    seen: dict[str, str] = {}
    for spec in inputs:
        if spec.name in seen:
            raise SpecError(f"inputs {seen[spec.name]} and {spec.url} are both named {spec.name!r}; give one a `name`")
        seen[spec.name] = spec.url


def _found(spec: InputSpec) -> Iterator[tuple[InputSpec, str, store.Entry]]:
    """The files of an input with their uris."""
    root = store.absolute(spec.url)
    entries = store.listing(root)
    if [entry.url for entry in entries] == [root]:
        yield spec, spec.name, entries[0]
        return
    below = [(entry.url[len(root) :].lstrip("/"), entry) for entry in entries]
    kept = [(path, entry) for path, entry in below if not is_side_file(path)]
    if not kept:
        what = f"only {len(entries)} hidden or side files" if entries else "no such file, and no files below it"
        raise InputError(f"{spec.url}: nothing to embed: {what}; recordings, .txt and .jsonl were looked for")
    if len(kept) < len(entries):
        log.info("%s: %d hidden or side files of %d skipped", spec.url, len(entries) - len(kept), len(entries))
    for path, entry in kept:
        yield spec, f"{spec.name}/{path}", entry


def _row(spec: InputSpec, uri: str, entry: store.Entry) -> dict[str, Any]:
    modality = modality_of(entry.url, spec.modality)
    duration_s, problem = _probed(entry, modality)
    return {
        "asset_id": identity.asset_id(uri),
        "uri": uri,
        "url": entry.url,
        "modality": modality,
        "format": format_of(entry.url, modality),
        "size_bytes": entry.size_bytes,
        "content_version": identity.content_version(entry.etag, entry.size_bytes, entry.mtime),
        "duration_s": duration_s,
        "lang": spec.lang,
        "metadata": list(spec.metadata.items()),
        "problem": problem,
    }


def _probed(entry: store.Entry, modality: str) -> tuple[float | None, str | None]:
    """Duration and problem."""
    if entry.size_bytes == 0:
        return None, f"InputError: {entry.url}: empty file (0 bytes)"
    if modality != SPEECH:
        return None, None
    try:
        return audio.probe(entry.url).duration_s, None
    except DegluError as error:
        return None, f"{type(error).__name__}: {error}"
