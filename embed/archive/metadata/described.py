"""Descriptions of an input's files, from the sources that its `metadata_from` names.

Of two values of one name, that of the source most particular to the file counts, in this order: a catalogue's row, an
XML file next to the recording, its tags, the bag that it is in, the input's `metadata`.  A `metadata.csv` in the folder
counts before all.  `lang`, else `language`, of a catalogue or an XML file is also the language of the file's rows.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from embed import identity
from embed.archive.inputs import CatalogueSpec, InputSpec
from embed.archive.metadata.bags import DECLARATION, PAYLOAD, Bag, bags_of, folder_of, read_bag
from embed.archive.metadata.catalogue_names import CatalogueNames
from embed.archive.metadata.catalogues import Row, read_catalogue
from embed.archive.metadata.pairs import described_files
from embed.archive.metadata.records import MOST_BYTES, read_record
from embed.errors import OF_ONE_FILE, DescriptionError, InputError
from embed.quantities import many
from embed.storage import store
from embed.storage.store import Entry
from embed.text.documents import Broken

_AT_ONCE = 16  # small files: threads wait rather than work
_SHOWN = 3  # problems of a catalogue that are written out


@dataclass(frozen=True)
class Description:
    """What the sources state about a file."""

    lang: str | None = None
    shared: dict[str, str] = field(default_factory=dict)  # with other files of its bag: tags count before it
    own: dict[str, str] = field(default_factory=dict)
    checksum: str | None = None
    problem: str | None = None


_NOTHING = Description()


@dataclass
class Described:
    """The descriptions of an input's files, small in memory, and what is wrong with the sources."""

    tags: bool = False
    files: set[str] = field(default_factory=set)  # of the sources: they are no assets
    problems: list[tuple[Entry, str]] = field(default_factory=list)  # "ErrorClass: message"
    bags: dict[str, Bag] = field(default_factory=dict)  # by folder
    texts: list[str] = field(default_factory=list)  # notes for the user
    _own: dict[str, bytes] = field(default_factory=dict)  # JSON
    _covers: list[tuple[str, set[str]]] = field(default_factory=list)  # a source, and the files that it describes

    def of(self, url: str) -> Description:
        folder = folder_of(url, self.bags) if self.bags else None
        bag = self.bags[folder] if folder else None
        if bag is None and url not in self._own:
            return _NOTHING
        own: dict[str, str] = json.loads(self._own.get(url, b"{}"))
        language = own.get("language", "")
        lang = own.pop("lang", None) or (language if language and ";" not in language else None)  # one of several: none
        if bag is None:
            return Description(lang, {}, own)
        try:
            return Description(lang, bag.fields, own, bag.checksum(url))
        except DescriptionError as error:
            return Description(lang, bag.fields, own, problem=f"{DescriptionError.__name__}: {error}")

    def notes(self, entries: Sequence[Entry]) -> list[str]:
        """For the user, of an input with these files: what a source does not cover."""
        found = list(self.texts)
        for source, files in self._covers:
            without = [entry.url for entry in entries if entry.url not in files]
            if without:
                found.append(
                    f"{source}: nothing about {len(without):,} of {many(len(entries), 'file')}, as {without[0]}"
                )
        return found

    def add(self, source: str, fields: Mapping[str, Mapping[str, str]]) -> None:
        """Add the fields of files by url; earlier ones count."""
        for url, values in fields.items():
            self._own[url] = json.dumps({**values, **json.loads(self._own.get(url, b"{}"))}).encode()
        self._covers.append((source, set(fields)))

    def fail(self, entry: Entry, error: Exception | str) -> None:
        text = error if isinstance(error, str) else str(error)
        self.problems.append((entry, f"{DescriptionError.__name__}: {text}"))


def described_by(spec: InputSpec, root: str, entries: Sequence[Entry], passed_over: Mapping[str, str]) -> Described:
    """Reads all sources but tags.

    Raises InputError for a catalogue that is missing or has no column of files.  What is wrong with one row, one XML
    file, one file of a bag is a problem of its own.
    """
    found = Described("tags" in spec.metadata_from)
    if not spec.metadata_from:
        return found
    files = {entry.url: entry for entry in entries if not entry.url.endswith("/")}
    root = root.rpartition("/")[0] if list(files) == [root] else root
    catalogues = [one for one in spec.metadata_from if isinstance(one, CatalogueSpec)]
    tables = [(one, _table(one.catalogue, root, files, spec.url)) for one in catalogues]
    found.files.update(table.url for _, table in tables)
    if "bag" in spec.metadata_from:
        _add_bags(found, files, spec.url)
    described = {url for url in files if url not in passed_over and url not in found.files}
    for one, table in tables:
        _add_catalogue(found, one, table, root, files.keys(), spec.encoding)
    if "xml" in spec.metadata_from:
        descriptions = (entry for entry in entries if passed_over.get(entry.url) == "description")
        records = [entry for entry in descriptions if entry.url.lower().endswith(".xml")]
        _add_xml(found, records, described, spec.url)
    return found


def _table(path: str, root: str, files: Mapping[str, Entry], url: str) -> Entry:
    """The file of a catalogue: below the input, else where the path leads."""
    for place in (store.join(root, path.removeprefix("./")), store.absolute(path)):
        entry = files.get(place) or next((one for one in _entries(place) if one.url == place), None)
        if entry is not None:
            return entry
    raise InputError(f"{path}: no such file, neither below {url} nor by itself; correct the input's `metadata_from`")


def _entries(url: str) -> Iterable[Entry]:
    try:
        return store.inputs(url)
    except InputError:
        return ()


def _add_bags(found: Described, files: Mapping[str, Entry], url: str) -> None:
    folders = bags_of(files)
    if not folders:
        found.texts.append(f"{url}: no bagit.txt in it, so no bag; is the url that of the bag's folder?")
    for folder, inside in folders.items():
        found.files.update(one for one in inside if not one.startswith(f"{folder}{PAYLOAD}"))
        try:
            bag = read_bag(folder, inside)
        except OF_ONE_FILE as error:
            found.fail(files[f"{folder}{DECLARATION}"], error)
            bag = Bag(folder, None)
        found.bags[folder] = bag
        for place, problem in bag.missing.items():
            found.fail(Entry(place, 0, None, None), problem)


def _add_catalogue(
    found: Described, spec: CatalogueSpec, table: Entry, root: str, files: Iterable[str], encoding: str | None
) -> None:
    version = identity.content_version(table.etag, table.size_bytes, table.mtime)
    rows, broken, nowhere = dict[str, Row](), list[str](), list[Row]()
    names = CatalogueNames(files, root, table.url.rpartition("/")[0])
    for url, row in names.placed(read_catalogue(table.url, version, spec.columns, encoding)):
        if isinstance(row, Broken):
            broken.append(row.reason)
        elif url is None:
            nowhere.append(row)
        elif (first := rows.setdefault(url, row)).fields != row.fields:
            broken.append(f"lines {first.line} and {row.line} both describe {row.name}, differently; remove one")
    found.add(table.url, {url: row.fields for url, row in rows.items()})
    if nowhere:
        what = "1 row names no file" if len(nowhere) == 1 else f"{len(nowhere):,} rows name no file"
        found.texts.append(f"{table.url}: {what}, as line {nowhere[0].line}: {nowhere[0].name}")
    if broken:
        more = f"; and {len(broken) - _SHOWN:,} more" if len(broken) > _SHOWN else ""
        found.fail(table, f"{table.url}: {'; '.join(broken[:_SHOWN])}{more}")


def _add_xml(found: Described, records: Sequence[Entry], files: set[str], url: str) -> None:
    targets = described_files([entry.url for entry in records], files)
    # That of fewer files is more particular.
    own = sorted((one for one in records if one.url in targets), key=lambda one: len(targets[one.url]))
    fields: dict[str, dict[str, str]] = {}
    unknown: list[str] = []
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for entry, values in zip(own, pool.map(_record, own), strict=True):
            if isinstance(values, Exception):
                found.fail(entry, values)
                continue
            if not values:
                unknown.append(entry.url)
            for file in targets[entry.url] if values else ():
                fields[file] = {**values, **fields.get(file, {})}
    found.add(f"{url}, xml", fields)
    if unknown:
        what = "1 XML file has" if len(unknown) == 1 else f"{len(unknown):,} XML files have"
        found.texts.append(f"{url}: {what} nothing of Dublin Core, EBUCore or PBCore 2, as {unknown[0]}")


def _record(entry: Entry) -> dict[str, str] | Exception:
    try:
        with store.open_input(entry.url) as stream:
            return read_record(entry.url, stream.read(MOST_BYTES + 1))
    except OF_ONE_FILE as error:
        return error
