"""Questions as they are typed, listed in a file, given as samples or vectors, and every one that is none."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed.encoder import Batch, Fingerprints, FloatArray, Role
from embed.errors import InputError, SpecError
from index.ask import questions as questions_module
from index.ask.questions import Question, check_kinds, encoded, questions_of


class LengthEncoder:
    """A text's or a wave's length is the axis; keeps `embed.encoder.Encoder` and remembers its batches."""

    dims, fingerprints = (8,), Fingerprints("lengths", "lengths")

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    def encode(self, batch: Batch, role: Role, task: str | None = None) -> FloatArray:
        assert role == "query"
        assert len({type(one) for one in batch}) == 1
        self.batches.append(batch)
        return np.eye(8, dtype=np.float32)[[len(one) for one in batch]]


def test_one_question_or_a_file_of_them(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text('{"audio": "b.wav"}\n\n{"audio": "s3://a/b.wav"}\n{"text": "rain"}\n')
    assert list(questions_of("rain", None, None)) == [Question(text="rain")]
    assert list(questions_of(None, "b.wav", None)) == [Question(audio="b.wav")]
    listed = list(questions_of(None, None, str(tmp_path / "q.jsonl")))
    assert [question.label for question in listed] == [str(tmp_path / "b.wav"), "s3://a/b.wav", "rain"]
    assert [question.kind for question in listed] == ["audio", "audio", "text"]


@pytest.mark.parametrize("given", [(None, None, None), ("a", "b.wav", None), ("a", None, "q.jsonl")])
def test_a_question_is_asked_in_one_way(given: tuple[str | None, str | None, str | None]) -> None:
    with pytest.raises(SpecError, match="give exactly one"):
        list(questions_of(*given))


@pytest.mark.parametrize("given", [{}, {"text": "a", "vector": np.ones(2)}, {"audio": "a", "speech": np.ones(2)}])
def test_a_question_has_one_form(given: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match="one of text, audio, speech and vector: give exactly one"):
        Question(**given)


def test_a_model_of_text_is_not_spoken_to() -> None:
    typed = Question(text="rain")
    check_kinds([typed], False, "mine")
    for spoken in (Question(audio="rain.wav"), Question(speech=np.ones(3, np.float32))):
        check_kinds([typed, spoken], True, "mine")
        with pytest.raises(SpecError, match="'mine' encodes only text; type the question"):
            check_kinds([typed, spoken], False, "mine")


@pytest.mark.parametrize("at_once", [1, 64])
def test_all_kinds_are_encoded_in_their_order(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions_module, "ENCODED_AT_ONCE", at_once)
    asked = [
        Question(vector=np.eye(8, dtype=np.float32)[7]),
        Question(text="rain"),
        Question(speech=np.ones(2, np.float32)),
        Question(audio="long.wav"),
        Question(text="hot"),
    ]
    encoder = LengthEncoder()
    found = encoded(asked, 8, encoder, lambda url: np.ones(len(url) - 3, np.float32))
    assert found.dtype == np.float32
    assert found.argmax(axis=1).tolist() == [7, 4, 2, 5, 3]
    assert [len(batch) for batch in encoder.batches] == ([1, 1, 1, 1] if at_once == 1 else [2, 2])


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        (Question(text="rain"), "need an encoder"),
        (Question(speech=np.ones(2, np.float32)), "need an encoder"),
    ],
    ids=["text", "speech"],
)
def test_an_encoder_is_needed(asked: Question, line: str) -> None:
    with pytest.raises(SpecError, match=line):
        encoded([asked], 8)


def test_what_cannot_be_encoded_is_named() -> None:
    with pytest.raises(SpecError, match=r"b\.wav: a recording needs a decoder"):
        encoded([Question(audio="b.wav")], 8, LengthEncoder())
    for vector in (np.ones(3, np.float32), np.ones((1, 8), np.float32)):
        asked: Sequence[Question] = [Question(text="rain"), Question(vector=vector)]
        with pytest.raises(InputError, match=r"question 1: a vector of shape .*; this index takes \[8\]"):
            encoded(asked, 8, LengthEncoder())


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b'{"text": "a"}\n{"text": "b"\n', "questions.jsonl line 2: not JSON"),
        (b'\n{"sound": "b.wav"}', "questions.jsonl line 2: a question has one field, text or audio; write"),
        (b'{"text": "a", "audio": "b"}', "line 1: a question has one field"),
        (b'["a"]', "line 1: a question has one field"),
        (b"{}", "line 1: a question has one field"),
        (b'{"text": "  "}', "line 1: text is empty or not a string"),
        (b'{"audio": 7}', "line 1: audio is empty or not a string"),
        (b'{"text": "\\ud800"}', "line 1: text is not valid Unicode"),
        (b'{"text": "\xff"}', "questions.jsonl: not UTF-8 text"),
        (b"\n", "questions.jsonl: holds no questions; write"),
    ],
)
def test_a_broken_batch_names_the_line(content: bytes, line: str, tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_bytes(content)
    with pytest.raises(SpecError) as caught:
        list(questions_of(None, None, str(path)))
    assert line in str(caught.value)
