"""Unseen speakers: prompts that another speaker has recorded too, over a telephone, and that no training may use.

The recordings are reserved: they are scored once a release, and no choice is made by them.  Their wording may differ
from the transcript: `unseen.tsv` lists the prompts whose recognised words agree with it by half or more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from embed.errors import DataUnavailable, InputError
from train.curate.clip import Clip, text_key
from train.curate.packages.apt import fetch
from train.curate.sources import asterisk
from train.curate.speech_pairs import prompts_by_part

LIST = Path(__file__).parent / "unseen.tsv"
TEXT_LANG = "en"
SOURCE = "asterisk"


@dataclass(frozen=True)
class Speakers:
    """The same prompts by two speakers, with all texts of their source that may answer."""

    title: str
    known: list[Clip]
    unseen: list[Clip]
    texts: dict[str, str]  # by `text_key`


@dataclass(frozen=True)
class Reserved:
    """Recordings of another speaker."""

    package: str
    lang: str
    ending: str


RESERVED = {
    one.lang: one
    for one in (
        Reserved("asterisk-prompt-fr-armelle", "fr", ".gsm"),
        Reserved("asterisk-prompt-es-co", "es", ".gsm"),
        Reserved("asterisk-prompt-it-menardi-wav", "it", ".wav"),
    )
}


def unseen_clips(known: Sequence[Clip], lang: str, cache: Path) -> list[Clip]:
    """For each prompt of the list that `known` has, the other speaker's recording, in the order of `known`."""
    if lang not in RESERVED:
        raise InputError(f"field 'robustness.unseen': no reserved recordings in {lang!r}; give {', '.join(RESERVED)}")
    reserved = RESERVED[lang]
    folder = fetch(reserved.package, cache) / "usr/share/asterisk/sounds" / lang
    if not folder.is_dir():
        raise DataUnavailable(f"{folder}: missing; remove the package's folder to fetch it again")
    rows = (line.split("\t") for line in LIST.read_text(encoding="utf-8").splitlines()[1:])
    keys = {f"{asterisk.SOURCE}:{key}" for own, key in rows if own == lang}
    found = []
    for clip in known:
        path = folder / f"{clip.key.partition(':')[2]}{reserved.ending}"
        if clip.key in keys and path.is_file():
            found.append(
                Clip(
                    reserved.package, clip.key, lang, clip.text, str(path), clip.translations, size=path.stat().st_size
                )
            )
    return found


def speakers(lang: str, cache: Path) -> list[Speakers]:
    """The prompts of both speakers; first those of the test part alone, then all of them.

    Of other parts than test the known speaker's recordings may have been trained on.
    """
    parts = prompts_by_part(SOURCE, cache, (lang,), (TEXT_LANG,))[0]
    able = {
        part: [one for one in clips if one.lang == lang and TEXT_LANG in one.translations]
        for part, clips in parts.items()
    }
    texts: dict[str, str] = {}
    for captions in asterisk.captions(cache, (TEXT_LANG,)).values():
        texts.setdefault(text_key(captions[TEXT_LANG]), captions[TEXT_LANG])
    of_all = [one for part in ("test", "dev", "train") for one in able[part]]
    found = []
    for name, prompts in (("test prompts", able["test"]), ("all prompts", of_all)):
        unseen = unseen_clips(prompts, lang, cache)
        by_key = {one.key: one for one in reversed(prompts)}
        title = f"{SOURCE} {lang}->{TEXT_LANG}, {RESERVED[lang].package}, {name}"
        found.append(Speakers(title, [by_key[one.key] for one in unseen], unseen, texts))
    return found
