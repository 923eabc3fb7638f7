"""Material of the demo: a radio archive with known answers, and a corpus of captions and documentation.

The archive is joined from recorded prompts, so that right answers and their times are known.  Where no recordings are
available, a synthetic bulletin of this project replaces them, and the report says so.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile

from embed.encoder import SAMPLE_RATE, FloatArray
from embed.errors import DataUnavailable
from train.curate.clip import Clip, read_clip, words
from train.curate.sources import asterisk, manuals
from train.curate.split import split

SEED = 7
PROGRAMME_S = 240.0
PAUSES_S = (0.8, 1.6)  # between prompts, drawn for each pause
CONTAINERS = ("wav", "flac", "ogg", "mp3")
PARAGRAPHS_PER_LANG = 250
ARCHIVE, CORPUS, TRUTH = "archive", "corpus", "truth.json"


@dataclass(frozen=True)
class Broadcast:
    """A prompt in a programme: its text and its time."""

    uri: str  # as the embedded rows name it
    start_s: float
    end_s: float
    key: str
    lang: str
    text: str
    part: str  # train | dev | test


@dataclass(frozen=True)
class Material:
    """The folders to embed, the prompts in them, and the held-out clips that are the questions."""

    archive: Path
    corpus: Path
    broadcasts: tuple[Broadcast, ...]
    questions: tuple[Clip, ...]  # French test clips with an English text; none where the material is synthetic
    recorded: bool


def make_material(folder: Path, cache: Path) -> Material:
    """Write archive and corpus below `folder`; a second call uses the files that exist."""
    try:
        parts = split(asterisk.clips(cache, ("fr", "en")))
    except DataUnavailable:
        return synthetic_material(folder)
    questions = tuple(c for c in parts["test"] if c.lang == "fr" and "en" in c.translations)
    archive, corpus, truth = folder / ARCHIVE, folder / CORPUS, folder / TRUTH
    if not truth.exists():
        part_of = {clip.key: part for part, clips in parts.items() for clip in clips}
        clips = [clip for found in parts.values() for clip in found]
        # All French prompts; no English prompt that answers a question: the answer must be in French.
        asked = {clip.key for clip in parts["test"]}
        french = [clip for clip in clips if clip.lang == "fr"]
        english = [clip for clip in clips if clip.lang == "en" and clip.key not in asked][: len(french) // 3]
        broadcasts = [*_programmes(archive, french, part_of, "fr"), *_programmes(archive, english, part_of, "en")]
        _write_corpus(corpus, clips, cache)
        # Written last: where it exists, the rest is complete.
        truth.write_text(json.dumps([asdict(one) for one in broadcasts], ensure_ascii=False, indent=0), "utf-8")
    known = tuple(Broadcast(**one) for one in json.loads(truth.read_text(encoding="utf-8")))
    return Material(archive, corpus, known, questions, recorded=True)


def _programmes(archive: Path, clips: Sequence[Clip], part_of: Mapping[str, str], lang: str) -> list[Broadcast]:
    """Shuffle, join with pauses into programmes of some minutes, write them in containers by turns."""
    chance = np.random.default_rng([SEED, len(lang)])
    order = [clips[i] for i in chance.permutation(len(clips))]
    found: list[Broadcast] = []
    pieces: list[FloatArray] = []
    length = number = 0
    (archive / lang).mkdir(parents=True, exist_ok=True)
    for place, clip in enumerate(order):
        name = f"{lang}/programme-{number + 1:02d}.{CONTAINERS[number % len(CONTAINERS)]}"
        pause = np.zeros(int(chance.uniform(*PAUSES_S) * SAMPLE_RATE), np.float32)
        wave = read_clip(clip)
        start = length + len(pause)
        length = start + len(wave)
        pieces += [pause, wave]
        found.append(
            Broadcast(
                f"{ARCHIVE}/{name}", start / SAMPLE_RATE, length / SAMPLE_RATE, clip.key, lang, clip.text,
                part_of[clip.key],
            )
        )  # fmt: skip
        if length > PROGRAMME_S * SAMPLE_RATE or place == len(order) - 1:
            _write_sound(archive / name, np.concatenate(pieces))
            pieces, length, number = [], 0, number + 1
    return found


def _write_sound(path: Path, wave: FloatArray) -> None:
    with soundfile.SoundFile(path, "w", SAMPLE_RATE, 1) as file:
        # One second a call: libsndfile's Vorbis writer keeps a whole call on its stack, and minutes overflow it.
        for begin in range(0, len(wave), SAMPLE_RATE):
            file.write(wave[begin : begin + SAMPLE_RATE])


def _write_corpus(corpus: Path, clips: Sequence[Clip], cache: Path) -> None:
    """Writes `captions-<lang>.jsonl`, one line a distinct text, and `manual-<lang>.txt`, one block a paragraph."""
    corpus.mkdir(parents=True, exist_ok=True)
    for lang in ("fr", "en"):
        texts = {" ".join(words(clip.translations[lang])): clip for clip in clips if lang in clip.translations}
        lines = [
            {"_id": f"{clip.key}#{lang}", "text": clip.translations[lang], "lang": lang} for clip in texts.values()
        ]
        (corpus / f"captions-{lang}.jsonl").write_text(
            "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), "utf-8"
        )
        paragraphs = manuals.paragraphs(cache, (lang,))[:PARAGRAPHS_PER_LANG]
        (corpus / f"manual-{lang}.txt").write_text("\n\n".join(one.text for one in paragraphs) + "\n", "utf-8")


SENTENCES = {
    "en": (
        "The market opens at six in the morning and closes at noon.",
        "Rain is expected in the north of the country tomorrow.",
        "The price of rice went up again this week.",
        "The ferry to the island will not leave today because of the wind.",
        "Farmers are asked to vaccinate their cattle before the end of the month.",
        "The new school has twelve classrooms and a library.",
        "The football team won the final by two goals to one.",
        "Doctors advise drinking clean water during the heat.",
    ),
    "fr": (
        "Le marché ouvre à six heures du matin et ferme à midi.",
        "De la pluie est attendue demain dans le nord du pays.",
        "Le prix du riz a encore augmenté cette semaine.",
        "Le bateau pour l'île ne partira pas aujourd'hui à cause du vent.",
        "Les éleveurs doivent vacciner leur bétail avant la fin du mois.",
        "La nouvelle école compte douze salles de classe et une bibliothèque.",
        "L'équipe de football a gagné la finale deux buts à un.",
        "Les médecins conseillent de boire de l'eau propre pendant la chaleur.",
    ),
}


def synthetic_material(folder: Path) -> Material:
    """A bulletin of voice-like sound without words, and a corpus of our own sentences in two languages."""
    archive, corpus = folder / "synthetic" / ARCHIVE, folder / "synthetic" / CORPUS
    archive.mkdir(parents=True, exist_ok=True)
    corpus.mkdir(parents=True, exist_ok=True)
    pieces: list[FloatArray] = []
    broadcasts, length = [], 0
    for number, text in enumerate(SENTENCES["fr"]):
        pause, wave = np.zeros(SAMPLE_RATE, np.float32), voice(3.0, number)
        start = length + len(pause)
        length = start + len(wave)
        pieces += [pause, wave]
        uri = f"{ARCHIVE}/bulletin.wav"
        broadcasts.append(
            Broadcast(uri, start / SAMPLE_RATE, length / SAMPLE_RATE, f"own:{number}", "fr", text, "test")
        )
    _write_sound(archive / "bulletin.wav", np.concatenate(pieces))
    for lang, sentences in SENTENCES.items():
        lines = [{"_id": f"own:{i}#{lang}", "text": text, "lang": lang} for i, text in enumerate(sentences)]
        (corpus / f"captions-{lang}.jsonl").write_text(
            "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), "utf-8"
        )
    return Material(archive, corpus, tuple(broadcasts), (), recorded=False)


VOWELS_HZ = np.array([[700, 1200, 2600], [300, 2200, 3000], [350, 800, 2500], [500, 1800, 2500], [450, 1000, 2600]])
SYLLABLES_PER_S, FORMANT_WIDTH_HZ = 5, 80


def voice(seconds: float, seed: int) -> FloatArray:
    """Voice-like sound that silero-vad takes for speech nearly throughout, float32 [n] at 16 kHz.

    Glottal pulses through the formants of vowels in random order, with breath noise between syllables.
    """
    chance = np.random.default_rng(seed)
    time_s = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    num = int(seconds * SYLLABLES_PER_S) + 2
    vowels = VOWELS_HZ[chance.integers(0, len(VOWELS_HZ), num)]
    formants = [np.interp(time_s, np.arange(num) / SYLLABLES_PER_S, vowels[:, i]) for i in range(3)]
    pitch = 130 * (1 + 0.15 * np.sin(np.pi * time_s + chance.uniform(0, 6)))
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    sound = np.zeros_like(time_s)
    for harmonic in range(1, 40):
        off = [(harmonic * pitch - formant) / FORMANT_WIDTH_HZ for formant in formants]
        gain = sum(loud / (1 + one**2) for loud, one in zip((1, 0.6, 0.3), off, strict=True))
        sound += gain / harmonic * np.sin(harmonic * phase)
    syllable = np.sin(np.pi * SYLLABLES_PER_S * time_s) ** 2
    sound = sound / np.abs(sound).max() * syllable + 0.1 * chance.standard_normal(len(time_s)) * (1 - syllable)
    wave: FloatArray = (0.3 * sound / np.abs(sound).max()).astype(np.float32)
    return wave
