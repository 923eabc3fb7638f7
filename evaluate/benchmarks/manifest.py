"""Benchmark made of a manifest: recordings with their texts, as `train` reads it, in .jsonl, .csv, .tsv or .parquet.

Each recording and each text is a question and a document; those of one row, or of one `key`, answer each other.
"""

from collections.abc import Sequence
from hashlib import blake2b

from embed.errors import InputError
from evaluate.benchmarks.benchmark import Benchmark, Entry, only_part
from evaluate.results import Qrels
from train.curate.clip import Clip, text_key
from train.curate.sources.manifest import clips
from train.curate.sources.table import list_name
from train.curate.split import Part


def read_manifest(url: str) -> Benchmark:
    """The benchmark of a manifest; where no row names a `part`, all rows are in each.  Raises InputError by row."""
    rows = clips(url)
    if not rows:
        raise InputError(f"{url}: no rows; list recordings with their texts")
    speech = [_recording(number, clip, url) for number, (clip, _) in enumerate(rows, 1)]
    texts: dict[str, Entry] = {}
    for number, (clip, _) in enumerate(rows, 1):
        for lang, text in clip.translations.items():
            texts.setdefault(
                _text_id(lang, text), Entry(_text_id(lang, text), text, lang=lang, place=f"{url}, row {number}")
            )
    entries = (*speech, *texts.values())
    parts = dict.fromkeys(part for _, part in rows if part is not None)
    named = {str(part): _qrels(rows, speech, part) for part in parts}
    every = _qrels(rows, speech, None)
    return Benchmark(list_name(url), entries, entries, only_part(named, url) if named else lambda part: every)


def _recording(number: int, clip: Clip, url: str) -> Entry:
    end_s = None if clip.duration_s is None else clip.offset_s + clip.duration_s
    return Entry(f"row-{number}", clip.text, clip.uri, clip.offset_s, end_s, clip.lang, place=f"{url}, row {number}")


def _text_id(lang: str, text: str) -> str:
    """The same for texts of the same words."""
    return f"{lang}-{blake2b(text_key(text).encode(), digest_size=8).hexdigest()}"


def _qrels(rows: Sequence[tuple[Clip, Part | None]], speech: Sequence[Entry], part: Part | None) -> Qrels:
    """Questions of a part, or of all; the right answers are of all parts."""
    by_key: dict[str, set[str]] = {}
    for (clip, _), entry in zip(rows, speech, strict=True):
        ids = {entry.id, *(_text_id(lang, text) for lang, text in clip.translations.items())}
        by_key.setdefault(clip.key, set()).update(ids)
    of: dict[str, set[str]] = {}
    for ids in by_key.values():
        for id in ids:
            of.setdefault(id, set()).update(ids)
    asked = {
        id
        for (clip, own), entry in zip(rows, speech, strict=True)
        if part is None or own == part
        for id in (entry.id, *(_text_id(lang, text) for lang, text in clip.translations.items()))
    }
    return {id: dict.fromkeys(sorted(of[id] - {id}), 1) for id in sorted(asked)}
