"""Assets of an input: rows of MANIFEST for its files, the lines of its lists, rows of tables, members of tars, items.

What is said of a file by its sources of metadata, side files and transcripts is joined here.
"""

from dataclasses import dataclass, field

from embed import identity
from embed.archive.feed_assets import Recording
from embed.archive.feeds.web_files import checked
from embed.archive.inputs import InputSpec
from embed.archive.joined_transcripts import Transcripts, linked_transcript
from embed.archive.metadata.described import Described
from embed.archive.side_files import SideFiles
from embed.archive.sound_tables import AUDIO, TableSound
from embed.archive.tars.members import REFUSED, Member
from embed.archive.utterance_lists import MEMBER, Utterance, uri_below
from embed.audio.table_sounds import ROW, Place
from embed.errors import InputError
from embed.file_kinds import format_of, modality_of
from embed.storage.store import Entry
from embed.storage.window import window_of
from embed.tables import SPEECH, TEXT
from embed.text.encodings import ENCODING
from embed.text.gzipped import encoding_of

_MAPPED = ("jsonl", "csv", "parquet")


@dataclass(frozen=True, slots=True)
class Asset:
    """A row of MANIFEST before it is probed."""

    uri: str
    url: str
    modality: str
    format: str
    size_bytes: int
    content_version: str
    lang: str | None
    metadata: dict[str, str]
    columns: dict[str, str] = field(default_factory=dict)
    start_ms: int | None = None
    end_ms: int | None = None
    track: int | None = None
    text: str | None = None
    problem: str | None = None
    untagged: frozenset[str] | None = None  # metadata that tags of the container do not replace; None: tags not read
    checksum: str | None = None


class Assets:
    """Makes the assets of one input; `root` is its folder, `single` says that its url is a file."""

    def __init__(
        self, spec: InputSpec, root: str, single: bool, described: Described, transcripts: Transcripts
    ) -> None:
        self._spec, self._root, self._single = spec, root, single
        self._described, self._transcripts = described, transcripts
        self.side_files = SideFiles()
        self.columns = {str(part): name for part, name in spec.columns.items()}
        self._encodings: dict[str, tuple[str | None, str | None]] = {}

    def of_file(self, entry: Entry, unfit: str | None = None) -> Asset:
        """A whole file; `unfit` is a problem that its listing found."""
        spec = self._spec
        modality = modality_of(entry.url, spec.modality)
        entry = checked(entry, spec.web) if modality == SPEECH else entry
        form = format_of(entry.url, modality)
        lang, about = self.side_files.of(entry.url)
        described = self._described.of(entry.url)
        return Asset(
            uri=spec.name if self._single else self.uri(entry.url),
            url=entry.url,
            modality=modality,
            format=form,
            size_bytes=entry.size_bytes,
            content_version=version_of(entry),
            lang=lang or described.lang or spec.lang or self._transcripts.lang(entry.url),
            metadata={
                **spec.metadata,
                **described.shared,
                **self._transcripts.about(entry.url),
                **described.own,
                **about,
            },
            untagged=frozenset({**described.own, **about}) if self._described.tags and form == "audio" else None,
            checksum=described.checksum,
            track=spec.track if modality == SPEECH else None,
            columns={**self._settings(form), **self._transcripts.settings(entry.url, spec.encoding)},
            problem=entry.problem or described.problem or unfit,
        )

    def of_utterance(self, found: Utterance, uri: str, url: str, entry: Entry | None, form: str, problem: str) -> Asset:
        """A line of a list; `entry` is the file or member that it names, None where there is none."""
        described = self._described.of(url)
        return Asset(
            uri=uri,
            url=url,
            modality=SPEECH,
            format=form,
            size_bytes=entry.size_bytes if entry else 0,
            content_version=version_of(entry) if entry else "missing",
            lang=found.lang or described.lang or self._spec.lang,
            metadata={**self._spec.metadata, **described.shared, **described.own, **found.metadata},
            checksum=described.checksum,
            start_ms=found.start_ms,
            end_ms=found.end_ms,
            track=self._spec.track,
            text=found.text,
            problem=entry.problem or described.problem if entry else problem,
        )

    def of_row(self, entry: Entry, num: int, number: int, found: TableSound) -> Asset:
        """A row of a table of `num` sounds."""
        described = self._described.of(entry.url)
        return Asset(
            uri=f"{self._spec.name if self._single else self.uri(entry.url)}{ROW}{number}",
            url=Place(entry.url, number, self.columns.get(AUDIO)).url(),
            modality=SPEECH,
            format="row",
            size_bytes=entry.size_bytes // num,
            content_version=version_of(entry),
            lang=found.lang or described.lang or self._spec.lang,
            metadata={**self._spec.metadata, **described.shared, **described.own, **found.metadata},
            checksum=described.checksum,
            text=found.text,
            problem=found.problem or described.problem,
        )

    def of_member(self, found: Member) -> Asset:
        """A member of a tar, or a tar that is damaged."""
        tar, about = window_of(found.entry.url), found.about
        uri = self.member_uri(tar.file, tar.name) if tar else self.member_uri(found.entry.url)
        lang, of_tar = self.side_files.of(tar.file if tar else found.entry.url)
        return Asset(
            uri=uri,
            url=found.entry.url,
            modality=found.modality,
            format=found.format,
            size_bytes=found.entry.size_bytes,
            content_version=version_of(found.entry),
            lang=about.lang or lang or self._spec.lang,
            metadata={**self._spec.metadata, **of_tar, **about.metadata},
            track=self._spec.track if found.modality == SPEECH else None,
            columns=self._settings(found.format) if found.modality == TEXT and found.format != REFUSED else {},
            text=about.text if found.modality == SPEECH else None,
            problem=about.problem,
        )

    def of_item(self, found: Recording) -> Asset:
        """The recording of an item of a feed."""
        entry = found.entry
        return Asset(
            uri=found.uri,
            url=entry.url,
            modality=SPEECH,
            format="audio",
            size_bytes=entry.size_bytes,
            content_version=version_of(entry) if entry.etag or entry.mtime else "missing",
            lang=found.lang,
            metadata=found.metadata,
            track=self._spec.track,
            columns={} if entry.problem else linked_transcript(self._spec, found.metadata),
            problem=entry.problem,
        )

    def of_broken_list(self, entry: Entry, reason: str) -> Asset:
        """A list with unreadable lines is an asset itself, so that it is counted and reported."""
        problem = self._encoding(entry)[1] or f"InputError: {entry.url}: {reason}"
        uri = self._spec.name if self._single else self.uri(entry.url)
        version = version_of(entry)
        settings = self._settings("list")
        return Asset(uri, entry.url, SPEECH, "list", entry.size_bytes, version, None, {}, settings, problem=problem)

    def opened(self, entry: Entry) -> tuple[str, str, str | None]:
        """Url, version and encoding of a list or side file."""
        return entry.url, version_of(entry), self._encoding(entry)[0] if self._spec.encoding else None

    def uri(self, url: str) -> str:
        """The uri of a file, or of a member of a tar."""
        window = window_of(url)
        if window:
            return f"{uri_below(self._spec.name, self._root, window.file)}{MEMBER}{window.name}"
        return uri_below(self._spec.name, self._root, url)

    def member_uri(self, tar: str, name: str | None = None) -> str:
        """Uri of a member, or of the tar."""
        uri = self._spec.name if self._single else self.uri(tar)
        return uri if name is None else f"{uri}{MEMBER}{name}"

    def _settings(self, form: str) -> dict[str, str]:
        """The settings with which a text of this format is read."""
        found = self.columns if form in _MAPPED else {}
        found = {part: name for part, name in found.items() if part != AUDIO or form == "parquet"}
        named = self._spec.encoding if form not in ("audio", "parquet") else None
        return {**found, ENCODING: named} if named else found

    def _encoding(self, entry: Entry) -> tuple[str | None, str | None]:
        """The encoding of a list or side file, None for UTF-8; or the problem, where it is in another one."""
        if entry.url not in self._encodings:
            try:
                self._encodings[entry.url] = encoding_of(entry.url, self._spec.encoding), None
            except InputError as error:
                self._encodings[entry.url] = None, f"InputError: {error}"
        return self._encodings[entry.url]


def version_of(entry: Entry) -> str:
    return identity.content_version(entry.etag, entry.size_bytes, entry.mtime)
