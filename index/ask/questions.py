"""Questions: typed texts, recordings, samples or vectors; read from JSON lines, checked, and encoded."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np

from embed.encoder import Batch, Encoder, FloatArray
from embed.errors import InputError, SpecError
from embed.storage.store import join, read_bytes

Kind = Literal["text", "audio", "speech", "vector"]
Decode = Callable[[str], FloatArray]  # url of a recording -> its samples [n] at 16 kHz

KINDS: tuple[Kind, ...] = ("text", "audio", "speech", "vector")
SPOKEN = ("audio", "speech")
ENCODED_AT_ONCE = 64  # questions: a long batch of recordings is never all in memory


@dataclass(frozen=True)
class Question:
    """One question in exactly one form.  Raises SpecError where none or several are given.

    text    as typed
    audio   url of a recording, for which a decoder is needed
    speech  the samples of a recording: float32 [n] at 16 kHz
    vector  [D]: already encoded, as a query in the index's space

    >>> import deglu
    >>> deglu.Question(text="the price of rice").kind
    'text'
    """

    text: str | None = None
    audio: str | None = None
    speech: FloatArray | None = None
    vector: FloatArray | None = None

    def __post_init__(self) -> None:
        if sum(getattr(self, kind) is not None for kind in KINDS) != 1:
            raise SpecError("a question is one of text, audio, speech and vector: give exactly one")

    @property
    def kind(self) -> Kind:
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def label(self) -> str:
        """The text, or the url of the recording; of samples and vectors, their kind."""
        return self.text or self.audio or self.kind


def questions_of(text: str | None, audio: str | None, batch: str | None) -> Iterator[Question]:
    """Questions of exactly one of the three.  Raises SpecError for none, for several, for an empty or invalid one."""
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
    """Questions of a JSON lines file; paths of recordings are relative to it.  Raises SpecError naming a wrong line."""
    try:
        lines = read_bytes(url).decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise SpecError(
            f"{url}: not UTF-8 text (byte {error.start}); save it as UTF-8, one JSON object a line"
        ) from None
    numbered = [(f"{url} line {number}", line) for number, line in enumerate(lines, start=1) if line.strip()]
    found = [_next_to(url, _checked(_parsed(line, where), where)) for where, line in numbered]
    if not found:
        raise SpecError(f'{url}: holds no questions; write {{"text": "..."}} or {{"audio": "FILE"}} on each line')
    return found


def check_kinds(questions: Sequence[Question], speaks: bool, model: str) -> None:
    """Raises SpecError for a spoken question where the model has no speech tower."""
    if not speaks and any(question.kind in SPOKEN for question in questions):
        raise SpecError(f"model {model!r} encodes only text; type the question, or name a model with speech in --model")


def encoded(
    questions: Sequence[Question], dim: int, encoder: Encoder | None = None, decode: Decode | None = None
) -> FloatArray:
    """float32 [q, dim] in the order of the questions, of all kinds mixed.

    Raises SpecError where an encoder, or for a url a decoder, is needed and missing; InputError for a vector of
    another width.
    """
    vectors = np.empty((len(questions), dim), np.float32)
    for kinds in (("text",), SPOKEN):
        places = [place for place, question in enumerate(questions) if question.kind in kinds]
        for start in range(0, len(places), ENCODED_AT_ONCE):
            here = places[start : start + ENCODED_AT_ONCE]
            vectors[here] = _encoded([questions[place] for place in here], encoder, decode)
    for place, question in enumerate(questions):
        if question.vector is not None:
            vectors[place] = _vector(question.vector, place, dim)
    return vectors


def _encoded(questions: Sequence[Question], encoder: Encoder | None, decode: Decode | None) -> FloatArray:
    if encoder is None:
        raise SpecError("typed and spoken questions need an encoder; give the model that embedded the index's dataset")
    return encoder.encode(cast(Batch, [_content(question, decode) for question in questions]), "query")


def _content(question: Question, decode: Decode | None) -> str | FloatArray | None:
    if question.audio is None:
        return question.speech if question.text is None else question.text
    if decode is None:
        raise SpecError(f"{question.audio}: a recording needs a decoder; give one, or ask with its samples as speech")
    return decode(question.audio)


def _vector(given: FloatArray, place: int, dim: int) -> FloatArray:
    vector = np.asarray(given, np.float32)
    if vector.shape != (dim,):
        raise InputError(f"question {place}: a vector of shape {vector.shape}; this index takes [{dim}]")
    return vector


def _parsed(line: str, where: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise SpecError(f"{where}: not JSON ({error}); {_FORM}") from None


_FORM = 'write {"text": "..."} or {"audio": "FILE"}'


def _checked(value: Any, where: str) -> Question:
    if not isinstance(value, dict) or len(value) != 1 or next(iter(value)) not in ("text", "audio"):
        raise SpecError(f"{where}: a question has one field, text or audio; {_FORM}")
    ((kind, content),) = value.items()
    if not isinstance(content, str) or not content.strip():
        raise SpecError(f"{where}: {kind} is empty or not a string; {_FORM}")
    try:
        content.encode()
    except UnicodeEncodeError:
        raise SpecError(f"{where}: {kind} is not valid Unicode; write it as UTF-8") from None
    return Question(text=content) if kind == "text" else Question(audio=content)


def _next_to(batch: str, question: Question) -> Question:
    folder, slash, _ = batch.rpartition("/")
    if question.audio is None or not slash or question.audio.startswith("/") or "://" in question.audio:
        return question
    return Question(audio=join(folder or "/", question.audio))
