"""The recorded clips that a spec names, in the project's split, and the domain-mixed texts for the transform."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from train.curate.sources import asterisk, manuals, tuxpaint
from train.curate.sources.clips import Clip, words
from train.curate.split import Part, split
from train.spec import SourceSpec

SOURCES = {"asterisk": asterisk, "tuxpaint": tuxpaint}
# Each domain gives at most so many texts, so that none rules the axes.
TEXTS_PER_DOMAIN = 1200


def clips_by_part(sources: Sequence[SourceSpec], cache: Path) -> dict[Part, list[Clip]]:
    """The clips of every source in train, dev and test; a source is split whole, then narrowed to its languages."""
    parts: dict[Part, list[Clip]] = {"train": [], "dev": [], "test": []}
    for source in sources:
        module = SOURCES[source.name]
        # A recording in one language can join two prompts of another: the split must see it, wanted or not.
        every = tuple(dict.fromkeys((*source.langs, *module.TEXT_LANGS)))
        for part, clips in split(module.clips(cache, every)).items():
            parts[part] += [clip for clip in clips if clip.lang in source.langs]
    return parts


def mixed_texts(train: Sequence[Clip], langs: Sequence[str], with_manuals: bool, cache: Path, seed: int) -> list[str]:
    """Distinct texts of prompts, captions and manuals, equally many of each at most; none of dev or test."""
    domains: dict[str, dict[str, str]] = {}
    for clip in train:
        for lang in langs:
            text = clip.translations.get(lang, "")
            domains.setdefault(clip.source, {}).setdefault(" ".join(words(text)), text)
    if with_manuals:
        found = manuals.paragraphs(cache, [lang for lang in langs if lang in manuals.FOLDERS])
        domains["manuals"] = {paragraph.text: paragraph.text for paragraph in found}
    chance = np.random.default_rng(seed)
    mixed: list[str] = []
    for name in sorted(domains):
        texts = sorted(text for text in domains[name].values() if text)
        mixed += [texts[i] for i in sorted(chance.permutation(len(texts))[:TEXTS_PER_DOMAIN])]
    return mixed


def licences(sources: Sequence[SourceSpec], with_manuals: bool) -> dict[str, str]:
    """Package name -> licence, for the model's card."""
    modules = [SOURCES[source.name] for source in sources] + ([manuals] if with_manuals else [])
    return {package: module.LICENCE for module in modules for package in module.PACKAGES}
