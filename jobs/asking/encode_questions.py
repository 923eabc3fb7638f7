"""Typed and spoken questions: read from the command line or from JSON lines, checked, and encoded."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from embed.encoder import SHORTEST_S, Batch, FloatArray
from embed.errors import InputError, SpecError
from embed.storage.store import join, read_bytes

if TYPE_CHECKING:  # torch takes seconds to import: whoever encodes loads it
    from embed.model.weights import Model

ENCODED_AT_ONCE = 64  # questions: a long batch of recordings is never all in memory
SILENT = 1e-3  # peak; -60 dB, below the hiss of any microphone that somebody spoke into


@dataclass(frozen=True)
class Question:
    """What was typed, or where the recording lies."""

    kind: Literal["text", "audio"]
    words: str


def questions_of(text: str | None, audio: str | None, batch: str | None) -> Iterator[Question]:
    """Of exactly one of the three.  Raises SpecError where none or more are given, for an empty or broken one."""
    given = [
        (option, value) for option, value in (("text", text), ("audio", audio), ("batch", batch)) if value is not None
    ]
    if len(given) != 1:
        raise SpecError("a question is one of --text, --audio and --batch: give exactly one")
    ((option, value),) = given
    if option == "batch":
        yield from read_batch(value)
    else:
        yield _checked({option: value}, f"--{option}")


def read_batch(url: str) -> list[Question]:
    """Questions of a JSON lines file; a relative recording lies beside the file.  SpecError naming a broken line."""
    try:
        lines = read_bytes(url).decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise SpecError(
            f"{url}: not UTF-8 text (byte {error.start}); save it as UTF-8, one JSON object a line"
        ) from None
    numbered = [(f"{url} line {number}", line) for number, line in enumerate(lines, start=1) if line.strip()]
    found = [_beside(url, _checked(_parsed(line, where), where)) for where, line in numbered]
    if not found:
        raise SpecError(f'{url}: holds no questions; write {{"text": "..."}} or {{"audio": "FILE"}} on each line')
    return found


def encoded(questions: Sequence[Question], encoder: "Model") -> FloatArray:
    """float32 [q, D] in the order of the questions, typed and spoken ones mixed."""
    vectors = np.empty((len(questions), encoder.dims[0]), np.float32)
    for kind in ("text", "audio"):
        places = [place for place, question in enumerate(questions) if question.kind == kind]
        for start in range(0, len(places), ENCODED_AT_ONCE):
            here = places[start : start + ENCODED_AT_ONCE]
            vectors[here] = encoder.encode(cast(Batch, [_content(questions[i], encoder) for i in here]), "query")
    return vectors


def spoken(url: str, longest_s: float) -> FloatArray:
    """The whole recording at 16 kHz.  Raises InputError where it is too long, too short or silent."""
    from embed.audio.decode import decode  # the libraries of sound, for who speaks

    sound = decode(url, end_s=longest_s + 1)  # a day of radio is refused after half a minute of it
    if sound.decoded_s > longest_s:
        raise InputError(f"{url}: a spoken question may last {longest_s:.1f} s, this is longer; cut the question out")
    if sound.decoded_s < SHORTEST_S:
        raise InputError(f"{url}: {sound.decoded_s:.3f} s are too short for a question; record at least one word")
    if np.abs(sound.samples).max() < SILENT:
        raise InputError(f"{url}: silence alone; record the question again, or raise the recording's level")
    return sound.samples


def check_kinds(questions: Sequence[Question], speaks: bool, model: str) -> None:
    """Raises SpecError for a spoken question where the model has no speech tower."""
    if not speaks and any(question.kind == "audio" for question in questions):
        raise SpecError(
            f"model {model!r} encodes text alone; type the question, or give a model of speech with --model"
        )


def _content(question: Question, encoder: "Model") -> str | FloatArray:
    if question.kind == "text" or encoder.longest_s is None:
        return question.words
    return spoken(question.words, encoder.longest_s)


def _parsed(line: str, where: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise SpecError(f"{where}: not JSON ({error}); {_FORM}") from None


_FORM = 'write {"text": "..."} or {"audio": "FILE"}'


def _checked(value: Any, where: str) -> Question:
    if not isinstance(value, dict) or len(value) != 1 or next(iter(value)) not in ("text", "audio"):
        raise SpecError(f"{where}: a question has one field, text or audio; {_FORM}")
    ((kind, words),) = value.items()
    if not isinstance(words, str) or not words.strip():
        raise SpecError(f"{where}: {kind} is empty or no string; ask something")
    try:
        words.encode()
    except UnicodeEncodeError:
        raise SpecError(f"{where}: {kind} is not valid Unicode; write it as UTF-8") from None
    return Question(kind, words)


def _beside(batch: str, question: Question) -> Question:
    folder, slash, _ = batch.rpartition("/")
    if question.kind == "text" or not slash or question.words.startswith("/") or "://" in question.words:
        return question
    return Question("audio", join(folder or "/", question.words))
