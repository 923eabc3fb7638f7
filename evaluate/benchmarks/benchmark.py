"""Benchmark: questions, a collection, and by part the right answers; each entry is speech, text or both."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from embed.audio.table_sounds import place_of
from embed.errors import InputError
from embed.storage import store
from evaluate.results import Qrels
from train.curate.clip import Clip

Modality = Literal["speech", "text", "any"]


@dataclass(frozen=True)
class Entry:
    """A question or a document; `audio` is a url, from `start_s` to `end_s`, and `text` then its transcript."""

    id: str
    text: str = ""
    audio: str = ""
    start_s: float = 0.0
    end_s: float | None = None
    lang: str = ""
    part: str = ""  # of a document: the part in which it is a candidate; "" is all
    place: str = ""  # file and line, for errors

    @property
    def stretch(self) -> tuple[str, float]:
        return self.audio, self.start_s

    def clip(self, source: str) -> Clip:
        """The recording, as systems encode it."""
        duration_s = None if self.end_s is None else self.end_s - self.start_s
        return Clip(source, self.id, self.lang, self.text, self.audio, {}, self.start_s, duration_s)


@dataclass(frozen=True)
class Benchmark:
    """Entries by role, and qrels by part: a function, since a part is read when it is asked."""

    name: str
    queries: tuple[Entry, ...]
    corpus: tuple[Entry, ...]
    qrels: Callable[[str], Qrels]

    def chosen(
        self,
        part: str,
        query: Modality,
        document: Modality,
        query_lang: str | None = None,
        document_lang: str | None = None,
    ) -> "Chosen":
        """The part's questions and the whole collection, of these modalities and languages.

        A question without a right answer in that collection is left out.  Raises InputError that names what is missing.
        """
        documents = [one for one in _of(self.corpus, document, document_lang) if one.part in ("", part)]
        place = {one.id: row for row, one in enumerate(documents)}
        judged = self.qrels(part)
        queries, answers = [], []
        for one in _of(self.queries, query, query_lang):
            right = {place[id] for id, grade in judged.get(one.id, {}).items() if grade > 0 and id in place}
            if query == "speech" and document != "text":
                right = {row for row in right if documents[row].stretch != one.stretch}
            if right:
                queries.append(one)
                answers.append(right)
        if not queries:
            raise InputError(
                f"{self.name}, part {part}: no {_words(query, query_lang)} question has a right answer among"
                f" {len(documents)} {_words(document, document_lang)} documents; questions: {_counts(self.queries)};"
                f" documents: {_counts(self.corpus)}"
            )
        excluded = None
        if query == "speech" and document != "text":  # a recording never finds itself
            rows: dict[tuple[str, float], list[int]] = {}
            for row, entry in enumerate(documents):
                rows.setdefault(entry.stretch, []).append(row)
            excluded = [rows.get(one.stretch, []) for one in queries]
        for entry in (*(queries if query == "speech" else ()), *(documents if document != "text" else ())):
            if entry.audio:
                _refuse_missing(entry)
        return Chosen(tuple(queries), tuple(documents), answers, excluded)


@dataclass(frozen=True)
class Chosen:
    """Questions and documents of a task, and for each question the rows that answer it, and that are no candidates."""

    queries: tuple[Entry, ...]
    documents: tuple[Entry, ...]
    answers: list[set[int]]
    excluded: list[list[int]] | None

    def first(self, most: int | None) -> "Chosen":
        """The first so many questions; all documents."""
        excluded = None if self.excluded is None else self.excluded[:most]
        return Chosen(self.queries[:most], self.documents, self.answers[:most], excluded)


def by_id(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """The entries; InputError where two have one id."""
    seen: dict[str, Entry] = {}
    for one in entries:
        if one.id in seen:
            raise InputError(f"{one.place}: the id {one.id!r} is that of {seen[one.id].place}; give each its own")
        seen[one.id] = one
    return tuple(entries)


def only_part(qrels: Mapping[str, Qrels], url: str) -> Callable[[str], Qrels]:
    """Qrels by part; InputError that lists the parts where one is missing."""

    def of(part: str) -> Qrels:
        if part not in qrels:
            raise InputError(f"{url}: no part {part}; it has: {', '.join(qrels) or 'none'}; set the task's `part`")
        return qrels[part]

    return of


def _of(entries: Sequence[Entry], modality: Modality, lang: str | None) -> list[Entry]:
    """Recordings, or texts: the entries without a recording; where there is none, the recordings' transcripts.

    Of `any`, recordings and then the entries without one.
    """
    of_lang = [one for one in entries if lang is None or one.lang == lang]
    if modality == "speech":
        return [one for one in of_lang if one.audio]
    if modality == "any":
        return sorted(of_lang, key=lambda one: not one.audio)
    return [one for one in of_lang if not one.audio] or [one for one in of_lang if one.text]


def _refuse_missing(entry: Entry) -> None:
    path = store.local_path(file_of(entry.audio))
    if path is not None and not path.is_file():
        raise InputError(f"{entry.place}: {path}: no such recording; correct `audio` or bring the file")


def file_of(audio: str) -> str:
    """The file of a recording: of a row of a table, the table."""
    place = place_of(audio)
    return place.table if place is not None else audio


def _words(modality: str, lang: str | None) -> str:
    return f"{lang} {modality}" if lang else modality


def _counts(entries: Sequence[Entry]) -> str:
    """`12 fr speech, 40 en text`: what there is, for errors."""
    found: dict[str, int] = {}
    for one in entries:
        for modality, there in (("speech", one.audio), ("text", one.text)):
            if there:
                name = _words(modality, one.lang or None)
                found[name] = found.get(name, 0) + 1
    return ", ".join(f"{count:,} {name}" for name, count in found.items()) or "none"
