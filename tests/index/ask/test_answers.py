"""Answers at the door of Python: an index is asked with text, sound and vectors, with no cluster or command line."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from embed.encoder import SAMPLE_RATE, Batch, Fingerprints, FloatArray, Role
from embed.errors import FingerprintMismatch
from index.ask.answers import Answer, answers_of, as_json, ask, place
from index.ask.questions import Question
from index.ask.searcher import Index
from index.contracts import SearchRequest

WORDS = ("hash", "star", "zero", "nine")


class WordEncoder:
    """Each word is an axis; a wave speaks the word of its length.  Keeps `embed.encoder.Encoder`."""

    dims = (4, 2)

    def __init__(self, space: str = "space-1") -> None:
        self.fingerprints = Fingerprints(space, "words-and-waves")

    def encode(self, batch: Batch, role: Role, task: str | None = None) -> FloatArray:
        places = [WORDS.index(one) if isinstance(one, str) else len(one) - 1 for one in batch]
        return np.eye(4, dtype=np.float32)[places]


@pytest.fixture
def index(opened: Any, vectors_of: Any) -> Index:
    """Row i of each modality is axis i."""
    made: Index = opened(vectors_of(speech=np.eye(4), text=np.eye(4), dims=(4, 2)))
    return made


QUESTIONS = [
    Question(text="zero"),
    Question(audio="zero.wav"),
    Question(speech=np.zeros(3, np.float32)),
    Question(vector=np.eye(4, dtype=np.float32)[2]),
]


def _zero(url: str) -> FloatArray:
    assert url == "zero.wav"
    return np.zeros(3, np.float32)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.kind)
def test_every_form_of_a_question_finds_the_row_in_both_modalities(question: Question, index: Index) -> None:
    for modality in ("speech", "text"):
        (answers,) = ask(index, WordEncoder(), [question], SearchRequest(k=2, modality=modality), _zero).lists
        assert (answers[0].rank, answers[0].score, answers[0].metadata) == (1, 1.0, {"number": "2"})
        assert [answer.rank for answer in answers] == [1, 2]
    (merged,) = ask(index, WordEncoder(), [question], SearchRequest(k=2), _zero).lists
    assert {(answer.modality, answer.metadata["number"]) for answer in merged} == {("speech", "2"), ("text", "2")}


def test_answers_come_in_the_order_of_the_questions(index: Index) -> None:
    found = ask(index, WordEncoder(), [Question(text=word) for word in WORDS], SearchRequest(k=1, modality="text"))
    assert [answers[0].text for answers in found.lists] == [f"passage {i}" for i in range(4)]
    np.testing.assert_array_equal(found.vectors, np.eye(4))
    assert found.encode_s > 0
    assert found.explanation is None


def test_a_vector_needs_no_encoder_and_an_explanation_is_asked_for(index: Index) -> None:
    asked = [Question(vector=np.array([0, 0, 0, 2.0], np.float32))]
    found = ask(index, None, asked, SearchRequest(k=1, modality="speech", explain=True))
    assert found.lists[0][0].start_s == 3.0
    assert found.explanation is not None
    assert found.explanation.queries == 1


def test_fewer_rows_than_k_gives_fewer_answers(index: Index) -> None:
    found = ask(index, WordEncoder(), [Question(text="hash"), Question(text="star")], SearchRequest(k=99))
    assert [len(answers) for answers in found.lists] == [8, 8]


def test_an_encoder_of_another_space_is_refused(index: Index) -> None:
    with pytest.raises(FingerprintMismatch, match="is in space space-1, the queries are in space other"):
        ask(index, WordEncoder("other"), [Question(text="hash")], SearchRequest())


def test_answers_can_be_placed_and_serialised(index: Index) -> None:
    queries = np.eye(4, dtype=np.float32)[[1, 3]]
    spoken = answers_of(index, index.search(queries, SearchRequest(k=1, modality="speech")))
    assert [place(answers[0]) for answers in spoken] == ["0:01.0 - 0:02.5", "0:03.0 - 0:04.5"]
    (typed, _) = answers_of(index, index.search(queries, SearchRequest(k=1, modality="text")))
    assert place(typed[0]) == "10 - 19"
    assert json.loads(json.dumps(as_json(typed)))[0]["text"] == "passage 1"
    assert set(as_json(typed)[0]) == set(Answer.__dataclass_fields__)


NOTEBOOK = """
import sys

import numpy as np

from embed.audio.decode import decode
from embed.encoder import Fingerprints
from index.ask.answers import ask
from index.ask.questions import Question
from index.ask.searcher import open_index
from index.contracts import SearchRequest


class PitchEncoder:
    '''"low" and a low tone are one axis, all else the other.'''

    dims, fingerprints = (2,), Fingerprints("space-1", "pitch")

    def encode(self, batch, role, task=None):
        low = [one == "low" if isinstance(one, str) else np.abs(np.fft.rfft(one)).argmax() < 500 for one in batch]
        return np.eye(2, dtype=np.float32)[[0 if one else 1 for one in low]]


url, recording = sys.argv[1:]
index = open_index(url)
questions = [
    Question(text="low"),
    Question(speech=decode(recording).samples),
    Question(audio=recording),
    Question(vector=np.array([0.0, 1.0], np.float32)),
]
found = ask(index, PitchEncoder(), questions, SearchRequest(k=1), lambda url: decode(url).samples)
print([answers[0].uri.rpartition("/")[2] for answers in found.lists])
print([name for name in ("ray", "typer", "rich", "torch") if name in sys.modules])
"""


@pytest.mark.slow
def test_a_notebook_asks_with_text_sound_and_vectors(tmp_path: Path, build_at: Any, vectors_of: Any) -> None:
    build_at(str(tmp_path / "index"), vectors_of(text=np.eye(2), dims=(2,)))
    tone = 0.3 * np.sin(2 * np.pi * 110 * np.arange(SAMPLE_RATE) / SAMPLE_RATE)
    soundfile.write(tmp_path / "low.wav", tone, SAMPLE_RATE)
    command = [sys.executable, "-c", NOTEBOOK, str(tmp_path / "index"), str(tmp_path / "low.wav")]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["['0', '0', '0', '1']", "[]"], done.stderr
