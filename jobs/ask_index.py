"""`deglu query`: typed and spoken questions, one or many, asked of an index.

What can be refused is refused before a tower is loaded: a broken batch line, a width, an encoder of another space.
"""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast

import numpy as np

from embed.audio import decode
from embed.encoder import Batch, FloatArray
from embed.errors import FingerprintMismatch, InputError, SpecError
from embed.model.directory import fingerprints_of, load_model, model_folder, read_spec
from embed.model.late_fusion import LateFusion
from embed.model.speech_tower import SHORTEST_S
from embed.store import join, read_bytes
from index.artifact import Manifest, read_manifest
from index.contracts import Explanation, Modality
from index.search import open_index
from jobs.ask import Answer, answers_of, as_json, as_table
from jobs.terminal import drawn

DEFAULT_MODEL = "demo"
ENCODED_AT_ONCE = 64  # questions: a long batch of recordings is never all in memory
SILENT = 1e-3  # peak; -60 dB, below the hiss of any microphone that somebody spoke into


@dataclass(frozen=True)
class Question:
    """What was typed, or where the recording lies."""

    kind: Literal["text", "audio"]
    words: str


@dataclass(frozen=True)
class IndexAnswers:
    """What `deglu query` hands back."""

    index: str
    questions: tuple[Question, ...]
    answers: tuple[list[Answer], ...]
    explain: dict[str, Any] | None
    exit_code: int = 0

    def document(self) -> dict[str, Any]:
        told = [
            {"kind": question.kind, "question": question.words, "answers": as_json(answers)}
            for question, answers in zip(self.questions, self.answers, strict=True)
        ]
        return {"index": self.index, "questions": told, "explain": self.explain}

    def text(self) -> str:
        told = [
            f"{question.words}\n{drawn(as_table(answers)) if answers else 'no answers'}"
            for question, answers in zip(self.questions, self.answers, strict=True)
        ]
        return "\n\n".join([*told, *([_explained(self.explain)] if self.explain else [])])


def ask_index(
    index: str,
    text: str | None = None,
    audio: str | None = None,
    batch: str | None = None,
    k: int = 10,
    modality: Modality = "any",
    dim: int | None = None,
    model: str | None = None,
    explain: bool = False,
) -> IndexAnswers:
    """Up to k answers for the question(s) in exactly one of `text`, `audio` (a recording) and `batch` (JSON lines).

    `model` is the encoder's name; else the one that the index names, else the demo's.  Raises SpecError for a
    broken batch line, an empty question, a width that is not declared; FingerprintMismatch for the encoder of
    another space; InputError where there is no index, or a recording is missing, silent, too short or too long.
    """
    questions = tuple(_questions(text, audio, batch))
    manifest = read_manifest(index)
    _check_dim(index, manifest, dim)
    name = model or str(manifest.lineage.settings.get("model") or DEFAULT_MODEL)
    _check_model(index, manifest, name, questions)
    opened = open_index(index, manifest.space, version=manifest.version)
    encoder = load_model(name)
    began = time.perf_counter()
    vectors = encoded(questions, encoder)
    encode_s = time.perf_counter() - began
    hits, explanation = opened.search_explained(vectors, k, modality=modality, dim=dim)
    costs = _costs(name, manifest, encode_s, explanation) if explain else None
    return IndexAnswers(index, questions, tuple(answers_of(opened, hits)), costs)


def encoded(questions: Sequence[Question], encoder: LateFusion) -> FloatArray:
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
    sound = decode(url, end_s=longest_s + 1)  # a day of radio is refused after half a minute of it
    if sound.decoded_s > longest_s:
        raise InputError(f"{url}: a spoken question may last {longest_s:.1f} s, this is longer; cut the question out")
    if sound.decoded_s < SHORTEST_S:
        raise InputError(f"{url}: {sound.decoded_s:.3f} s are too short for a question; record at least one word")
    if np.abs(sound.samples).max() < SILENT:
        raise InputError(f"{url}: silence alone; record the question again, or raise the recording's level")
    return sound.samples


def _content(question: Question, encoder: LateFusion) -> str | FloatArray:
    if question.kind == "text" or encoder.speech is None:
        return question.words
    return spoken(question.words, encoder.speech.longest_s)


def _questions(text: str | None, audio: str | None, batch: str | None) -> Iterator[Question]:
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


def _check_dim(index: str, manifest: Manifest, dim: int | None) -> None:
    if dim is not None and dim not in manifest.dims:
        raise SpecError(
            f"--dim {dim}: {index} declares the dims {', '.join(map(str, manifest.dims))}; choose one of these"
        )


def _check_model(index: str, manifest: Manifest, name: str, questions: Sequence[Question]) -> None:
    """From the files on disk, so that no tower is loaded in vain."""
    spec = read_spec(name)
    space = fingerprints_of(spec, model_folder(name)).space
    if space != manifest.space:
        raise FingerprintMismatch(
            f"{index} is in space {manifest.space}, model {name!r} in space {space}; give the model that embedded "
            f"{manifest.lineage.url} with --model, or embed that with {name!r} into another output and index it"
        )
    if spec.speech is None and any(question.kind == "audio" for question in questions):
        raise SpecError(f"model {name!r} encodes text alone; type the question, or give a model of speech with --model")


def _costs(name: str, manifest: Manifest, encode_s: float, explanation: Explanation) -> dict[str, Any]:
    return {
        "model": name,
        "space": manifest.space,
        "version": manifest.version,
        "queries": explanation.queries,
        "depth": explanation.depth,
        "encode_s": encode_s,
        "search_s": explanation.seconds,
        "stages": [asdict(stage) for stage in explanation.stages],
    }


def _explained(costs: dict[str, Any]) -> str:
    lines = [f"encode {costs['queries']} with {costs['model']}: {1000 * costs['encode_s']:.1f} ms"]
    for stage in costs["stages"]:
        read = f"{stage['rows']:,} rows, {stage['bytes'] / 1e6:.2f} MB, {1000 * stage['seconds']:.2f} ms"
        lines.append(f"{stage['stage']} {stage['modality']} at dim {stage['dim']}: {read}")
    return "\n".join(lines)
