"""Samples for the embedding bench: real texts and recordings of mixed length, or made-up ones of the same lengths."""

import numpy as np

from embed.encoder import SAMPLE_RATE, FloatArray
from embed.errors import DataUnavailable
from embed.storage.cache import cache_folder
from train.curate.clip import read_clip
from train.curate.sources import asterisk, manuals

SEED = 7
# Logarithms of the lengths as measured on 2026-11-22: mean and spread of manuals' paragraphs (characters), captions
# (characters) and recorded prompts (seconds).  Paragraphs are 65 % of the texts.
PARAGRAPH, CAPTION, PROMPT = (5.35, 0.65), (2.80, 1.28), (0.91, 0.55)
PARAGRAPHS = 0.65
LONGEST_TEXT, LONGEST_S = 700, 12.0
WORDS = ("the", "press", "please", "le", "message", "number", "après", "package", "être", "for", "répertoire", "to")


def texts(n: int) -> tuple[list[str], bool]:
    """n paragraphs of manuals and captions of prompts, shuffled, and whether they are real."""
    try:
        cache = cache_folder()
        written = [paragraph.text for paragraph in manuals.paragraphs(cache)]
        written += [text for lang in asterisk.TEXT_LANGS for text in asterisk.transcripts(cache, lang).values()]
    except DataUnavailable:
        return made_up_texts(n), False
    order = np.random.default_rng(SEED).permutation(len(written))
    return [written[order[i % len(written)]] for i in range(n)], True


def waves(n: int) -> tuple[list[FloatArray], bool]:
    """n prompts in two languages, shuffled, and whether they are real."""
    try:
        clips = asterisk.clips(cache_folder())
    except DataUnavailable:
        return made_up_waves(n), False
    order = np.random.default_rng(SEED).permutation(len(clips))
    return [read_clip(clips[order[i % len(clips)]]) for i in range(n)], True


def made_up_texts(n: int) -> list[str]:
    """Common words in random order, as long as the real texts."""
    rng = np.random.default_rng(SEED)
    laws = (PARAGRAPH if one < PARAGRAPHS else CAPTION for one in rng.random(n))
    lengths = [int(np.clip(rng.lognormal(*law), 2, LONGEST_TEXT)) for law in laws]
    return [" ".join(rng.choice(WORDS, 1 + length // 2))[:length] for length in lengths]


def made_up_waves(n: int) -> list[FloatArray]:
    """Noise, as long as the real prompts: a tower's work does not depend on the words."""
    rng = np.random.default_rng(SEED)
    seconds = np.clip(rng.lognormal(*PROMPT, n), 0.3, LONGEST_S)
    return [(0.1 * rng.standard_normal(int(one * SAMPLE_RATE))).astype(np.float32) for one in seconds]
