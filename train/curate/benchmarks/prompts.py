"""Benchmark of recorded prompts: the recordings of dev and test, and every caption of their source.

All captions of a language are documents, recorded or not, trained on or not: the hard negatives.  Recordings are
candidates in their own part alone; those of train are left out.
"""

from collections.abc import Sequence
from pathlib import Path

from embed.errors import InputError
from train.curate.benchmarks.folder import write
from train.curate.benchmarks.lines import Lines
from train.curate.benchmarks.table import Langs
from train.curate.sources.table import SOURCES, Source
from train.curate.speech_pairs import prompts_by_part
from train.curate.split import Part

PARTS: tuple[Part, ...] = ("dev", "test")


def prompts(name: str, cache: Path, speech: Langs, texts: Langs) -> Path:
    """The folder of a source's prompts with recordings and texts in these languages; None is all of the source.

    Raises InputError where the source has no recordings in one of them, DataUnavailable where it cannot be fetched.
    """
    source = SOURCES[name]
    spoken = tuple(source.LANGS if speech is None else speech)
    written = tuple(dict.fromkeys((*source.TEXT_LANGS, *source.LANGS)) if texts is None else texts)
    if missing := [lang for lang in spoken if lang not in source.LANGS]:
        raise InputError(f"{name} has no recordings in {missing[0]!r}; it has {', '.join(source.LANGS)}")
    lines = Lines(written)
    lines.add_texts(source.captions(cache, written).values())
    # Each language is split by itself, so that a second one moves no prompt to another part.
    for lang in spoken or source.TEXT_LANGS:
        parts, _ = prompts_by_part(name, cache, (lang,), written)
        for part in PARTS:
            lines.add_clips((clip for clip in parts[part] if clip.lang == lang), [part], bool(spoken))
    langs = ("-".join(one) for one in (spoken, written) if one)
    return write(lines, "_".join((name, *langs)), _card(name, source, (*spoken, *written)), cache)


def _card(name: str, source: Source, langs: Sequence[str]) -> str:
    packages = source.packages(tuple(dict.fromkeys((*source.TEXT_LANGS, *langs))))
    return (
        f"# {name}\n\nRecorded prompts of {', '.join(packages)} (Debian), licence {source.LICENCE}.  Questions and\n"
        "recordings of dev and test; all captions are documents.  Choose on dev; score test once.\n"
    )
