"""Texts of mixed domains from which the nesting transform is learned: prompts with translations, documentation."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from train.curate.clip import Clip, words
from train.curate.sources import manuals

# Limits of prompts per source and of paragraphs of documentation, so that none dominates the axes.
PROMPTS_PER_SOURCE, PARAGRAPHS = 1200, 2400


@dataclass(frozen=True)
class NestingTexts:
    """Distinct texts of prompts, groups of translations among them, and running text."""

    texts: tuple[str, ...]
    groups: tuple[tuple[int, ...], ...]  # positions in `texts`
    running: tuple[str, ...]


def nesting_texts(
    train: Sequence[Clip], langs: Sequence[str], with_manuals: bool, cache: Path, seed: int
) -> NestingTexts:
    """Texts in the given languages; none of dev or test, since `train` holds none."""
    chance = np.random.default_rng(seed)
    texts: dict[str, int] = {}
    groups = []
    for prompts in _by_source(train, langs):
        chosen = sorted(chance.permutation(len(prompts))[:PROMPTS_PER_SOURCE])
        groups += [tuple(texts.setdefault(text, len(texts)) for text in prompts[i]) for i in chosen]
    running: list[str] = []
    if with_manuals:
        found = manuals.paragraphs(cache, [lang for lang in langs if lang in manuals.LANGS])
        running = sorted({paragraph.text for paragraph in found})
        running = [running[i] for i in sorted(chance.permutation(len(running))[:PARAGRAPHS])]
    return NestingTexts(tuple(texts), tuple(group for group in groups if len(group) > 1), tuple(running))


def _by_source(train: Sequence[Clip], langs: Sequence[str]) -> list[list[list[str]]]:
    """For each source its prompts, for each prompt its texts, those with equal words once."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for clip in train:
        prompt = found.setdefault(clip.source, {}).setdefault(clip.key, {})
        for text in (clip.text, *(clip.translations.get(lang, "") for lang in langs)):
            if key := " ".join(words(text)):
                prompt.setdefault(key, text)
    return [
        [sorted(prompt.values()) for _, prompt in sorted(prompts.items()) if prompt]
        for _, prompts in sorted(found.items())
    ]
