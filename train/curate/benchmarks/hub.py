"""Benchmarks of data sets of the hub, from their Parquet files as the hub has them: FLEURS, MInDS-14, WolBanking77.

    fr_fr/test/0000.parquet      id | audio: {bytes, path} | transcription | lang_id | ...

The files' paths name part (`test`, `validation`, `train`) and language; a file that describes its `lang_id` names it
row by row.  Questions and documents are of the same part; where there is only `train`, both dev and test have all rows.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from embed.audio.table_sounds import Place, sound_column
from embed.errors import InputError
from embed.storage import store
from embed.text.documents import Broken
from embed.text.parquet_rows import ParquetRows
from train.curate.benchmarks.folder import write
from train.curate.benchmarks.lines import Lines
from train.curate.benchmarks.table import Langs
from train.curate.clip import Clip
from train.curate.split import Part

Parts = tuple[Part, ...]
BOTH: Parts = ("dev", "test")
LANG_ID = "lang_id"
SUFFIX = ".parquet"
WORDS: Mapping[str, Part] = {"test": "test", "validation": "dev", "valid": "dev", "dev": "dev", "train": "train"}
CONFIG = re.compile(r"([a-z]{2,3})[_-][a-z]{2,4}(?:[_-][a-z]{2})?", re.IGNORECASE)  # fr_fr, fr-FR, cmn_hans_cn


@dataclass(frozen=True)
class Columns:
    """The columns of a data set."""

    text: str
    licence: str
    key: str = ""  # the same for all rows of a sentence, in every language; "": each row is its own
    lang: str = ""  # of all rows, where neither file nor rows name it
    translations: Mapping[str, str] = field(default_factory=dict)  # column -> language


SETS = {
    "fleurs": Columns("transcription", "CC-BY-4.0", key="id"),
    "minds14": Columns("transcription", "CC-BY-4.0", translations={"english_transcription": "en"}),
    "wolbanking77": Columns("text", "CC-BY-4.0", lang="wo"),
}


def hub(name: str, data: str, cache: Path, speech: Langs, texts: Langs) -> Path:
    """The folder of a data set with recordings and texts in these languages; None is all that its files have.

    Raises InputError that names the file.
    """
    columns = SETS[name]
    rows = list(_rows(name, columns, data, speech, texts))
    spoken, written = _langs((clip for clip, _ in rows), speech, texts)
    known: dict[tuple[Parts, str], dict[str, str]] = {}  # the texts of a key, in all languages
    for clip, parts in rows:
        known.setdefault((parts, clip.key), {}).update(clip.translations)
    lines = Lines(written)
    for parts in dict.fromkeys(parts for parts, _ in known):
        prompts = (found for (own, _), found in known.items() if own == parts)
        lines.add_texts(prompts, parts[0] if len(parts) == 1 else "")
    for lang in spoken or written:
        for clip, parts in rows:
            if clip.lang == lang:
                lines.add_clips([replace(clip, translations=known[parts, clip.key])], parts, bool(spoken))
    card = (
        f"# {name}\n\nOf the Parquet files in {data}, licence {columns.licence}.  The recordings stay in these files.\n"
    )
    return write(lines, "_".join((name, *("-".join(one) for one in (spoken, written) if one))), card, cache)


def _rows(name: str, columns: Columns, data: str, speech: Langs, texts: Langs) -> Iterator[tuple[Clip, Parts]]:
    """Clips of the files that may have one of the languages, each with its parts."""
    files = in_parts(data)
    langs = {url: _lang_of_path(url, data) for url, _ in files}
    tables = [(url, part) for url, part in files if _may_have(langs[url], speech, texts)]
    if not tables:
        raise InputError(f"{data}: no {SUFFIX} file with these languages; give the folder that has them, by `data`")
    has_parts = any(part != "train" for _, part in tables)
    for url, part in tables:
        if part != "train" or not has_parts:
            for clip in _clips(name, columns, url, columns.lang or langs[url]):
                yield clip, (part,) if has_parts else BOTH


def in_parts(data: str) -> list[tuple[str, Part]]:
    """Each Parquet file at or below a url, with the part that its path names; `train` where it names none."""
    data = store.absolute(data)
    top = data.rpartition("/")[0] if data.endswith(SUFFIX) else data
    files = [entry.url for entry in store.listing(data, SUFFIX)]
    if not files:
        raise InputError(f"{data}: no {SUFFIX} files; give the folder that has them, by the task's `data`")
    return [(url, next((WORDS[one] for one in path_words(url, top) if one in WORDS), "train")) for url in files]


def path_words(url: str, top: str = "") -> list[str]:
    """The lower-case words of a path below a folder."""
    return re.findall(r"[a-z]+", url.removeprefix(top).lower())


def table_rows(url: str, required: Sequence[str], optional: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """Rows with these columns, and in `#sound` the url of the row's recording, where the table has a column of sounds.

    Raises InputError that names file and column, or row.
    """
    with closing(
        ParquetRows(url, lambda schema: [one for one in (*required, *optional) if one in schema.names])
    ) as table:
        if missing := [one for one in required if one not in table.schema.names]:
            raise InputError(f"{url}: no column {missing[0]!r}; it has {', '.join(table.schema.names)}")
        has_sound = sound_column(table.schema) is not None
        for number, row in table.read(0, None):
            if isinstance(row, Broken):
                raise InputError(f"{url}, {row.reason}; correct or remove this row")
            yield row | ({"#sound": Place(url, number).url()} if has_sound else {})


def text_of(row: Mapping[str, Any], name: str) -> str:
    """The text in a column; "" where there is none."""
    value = row.get(name)
    return "" if value is None else str(value).strip()


def _clips(name: str, columns: Columns, url: str, of_path: str) -> Iterator[Clip]:
    """Rows that have a text; each with its own texts alone."""
    langs = _names_of_langs(url)
    required = [columns.text, *columns.translations, *([columns.key] if columns.key else [])]
    for number, row in enumerate(table_rows(url, required, [LANG_ID])):
        place = row.get(LANG_ID)
        lang = langs[place] if isinstance(place, int) and 0 <= place < len(langs) else of_path
        if not lang:
            raise InputError(f"{url}: its language is unknown; put it into a folder named by the language, e.g. fr_fr")
        if "#sound" not in row:
            raise InputError(f"{url}: no column of sounds; {name} has `audio`, with the bytes of each recording")
        texts = {lang: text_of(row, columns.text)}
        texts |= {other: text_of(row, column) for column, other in columns.translations.items() if other not in texts}
        texts = {one: text for one, text in texts.items() if text}
        key = text_of(row, columns.key) if columns.key else f"{Path(url).stem}-{number}"
        if texts:
            yield Clip(name, f"{name}:{key}", lang, texts.get(lang, ""), row["#sound"], texts)


def _names_of_langs(url: str) -> list[str]:
    """The languages that a file's `lang_id` numbers, as `datasets` describes them; [] where it does not."""
    with closing(ParquetRows(url, lambda schema: [])) as table:
        described = (table.schema.metadata or {}).get(b"huggingface", b"{}")
    try:
        names = json.loads(described)["info"]["features"][LANG_ID]["names"]
        return [re.split("[_-]", str(one))[0].lower() for one in names]
    except (ValueError, KeyError, TypeError):
        return []


def _lang_of_path(url: str, data: str) -> str:
    """The language that the nearest folder names, down from the folder of `data`; "" where none does."""
    above = store.absolute(data).rstrip("/").rpartition("/")[0]
    names = reversed(url.removeprefix(above).split("/"))
    found = (match[1].lower() for one in names if (match := CONFIG.fullmatch(one)))
    return next((one for one in found if one not in WORDS), "")


def _may_have(lang: str, speech: Langs, texts: Langs) -> bool:
    """Whether a file may have one of the languages: its path names none, or one of them."""
    return not lang or speech is None or texts is None or lang in (*speech, *texts)


def _langs(clips: Iterable[Clip], speech: Langs, texts: Langs) -> tuple[tuple[str, ...], tuple[str, ...]]:
    clips = list(clips)
    spoken = dict.fromkeys(clip.lang for clip in clips) if speech is None else speech
    written = dict.fromkeys(lang for clip in clips for lang in clip.translations) if texts is None else texts
    return tuple(spoken), tuple(written)
