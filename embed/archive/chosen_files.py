"""Files of an input to embed, found by its url: a file, all of a folder that is selected, or numbered files."""

from dataclasses import replace

from embed import identity
from embed.archive.inputs import InputSpec
from embed.archive.numbered import folder_above, numbered
from embed.archive.selection import Selection, select
from embed.archive.utterance_lists import is_audio_list
from embed.errors import OF_ONE_FILE, InputError
from embed.file_kinds import DESCRIPTION, FORMATS, is_tar, suffix
from embed.quantities import many
from embed.storage import store
from embed.storage.store import Entry


def chosen_files(spec: InputSpec) -> tuple[str, list[Entry], Selection]:
    """The folder (of a single file, the file), all files, and what is chosen.  InputError where that is nothing."""
    root = store.absolute(spec.url)
    root = store.allowing_private(root) if spec.web.private else root
    entries = store.inputs(root, contained=spec.follow == "inside")
    if not entries and (urls := numbered(root)):
        chosen = _numbered(spec, urls)
        return folder_above(root), chosen.kept, chosen
    chosen = _with_manifests(select(spec, root, entries), entries)
    if not chosen.kept:
        what = f"only {chosen.in_words()}" if entries else "no such file, and no files below it"
        unused = "".join(f"; {glob} matches nothing" for glob in chosen.unused if entries)
        formats = f"Deglu reads recordings, tars and {', '.join(FORMATS)}"
        raise InputError(f"{spec.url}: nothing to embed: {what}{unused}; {formats}")
    return root, entries, chosen


def _numbered(spec: InputSpec, urls: list[str]) -> Selection:
    """All files of these urls.  Raises InputError where one is missing."""
    found = store.each(lambda url: store.inputs(url, contained=spec.follow == "inside"), urls)
    missing = [url for url, entries in zip(urls, found, strict=True) if not entries]
    if missing:
        raise InputError(f"{spec.url}: {many(len(missing), 'numbered file')} missing, e.g. {missing[0]}")
    return Selection([entry for entries in found for entry in entries], {}, (), numbered=True)


def _with_manifests(chosen: Selection, entries: list[Entry]) -> Selection:
    """The selection with the .json files next to tars that list their members, as NeMo writes them."""
    folders = {entry.url.rpartition("/")[0] for entry in chosen.kept if is_tar(entry.url)}
    perhaps = [] if chosen.single else [one for one in entries if chosen.passed_over.get(one.url) == DESCRIPTION]
    found = [one for one in perhaps if one.url.rpartition("/")[0] in folders and _is_manifest(one)]
    passed_over = {url: kind for url, kind in chosen.passed_over.items() if url not in {one.url for one in found}}
    kept = sorted([*chosen.kept, *found], key=lambda entry: entry.url)
    return replace(chosen, kept=kept, passed_over=passed_over) if found else chosen


def _is_manifest(entry: Entry) -> bool:
    if suffix(entry.url) != ".json" or entry.problem or not entry.size_bytes:
        return False
    version = identity.content_version(entry.etag, entry.size_bytes, entry.mtime)
    try:
        return is_audio_list(entry.url, version)
    except OF_ONE_FILE:
        return False
