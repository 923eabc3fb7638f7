"""Questions as they are typed, spoken and listed in a file, and every one that is none."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from embed.encoder import SAMPLE_RATE
from embed.errors import InputError, SpecError
from jobs.asking.encode_questions import Question, check_kinds, questions_of, spoken


def test_one_question_or_a_file_of_them(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text('{"audio": "b.wav"}\n\n{"audio": "s3://a/b.wav"}\n{"text": "rain"}\n')
    assert list(questions_of("rain", None, None)) == [Question("text", "rain")]
    assert list(questions_of(None, "b.wav", None)) == [Question("audio", "b.wav")]
    listed = questions_of(None, None, str(tmp_path / "q.jsonl"))
    assert [question.words for question in listed] == [str(tmp_path / "b.wav"), "s3://a/b.wav", "rain"]


@pytest.mark.parametrize("given", [(None, None, None), ("a", "b.wav", None), ("a", None, "q.jsonl")])
def test_a_question_is_asked_in_one_way(given: tuple[str | None, str | None, str | None]) -> None:
    with pytest.raises(SpecError, match="give exactly one"):
        list(questions_of(*given))


def test_a_model_of_text_is_not_spoken_to() -> None:
    typed, said = Question("text", "rain"), Question("audio", "rain.wav")
    check_kinds([typed, said], True, "mine")
    check_kinds([typed], False, "mine")
    with pytest.raises(SpecError, match="'mine' encodes text alone; type the question"):
        check_kinds([typed, said], False, "mine")


@pytest.mark.parametrize(
    ("seconds", "loudness", "line"),
    [
        (31.0, 0.3, r"a spoken question may last 29\.7 s, this is longer; cut the question out"),
        (0.01, 0.3, r"0\.010 s are too short for a question; record at least one word"),
        (2.0, 0.0, "silence alone; record the question again"),
        (2.0, 0.0005, "silence alone"),
    ],
)
def test_a_recording_that_is_no_question_is_named(tmp_path: Path, seconds: float, loudness: float, line: str) -> None:
    path = tmp_path / "q.wav"
    hum = loudness * np.sin(2 * np.pi * 440 * np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE)
    soundfile.write(path, hum, SAMPLE_RATE)
    with pytest.raises(InputError, match=f"{path}: {line}"):
        spoken(str(path), longest_s=29.7)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b'{"text": "a"}\n{"text": "b"\n', "questions.jsonl line 2: not JSON"),
        (b'\n{"sound": "b.wav"}', "questions.jsonl line 2: a question has one field, text or audio; write"),
        (b'{"text": "a", "audio": "b"}', "line 1: a question has one field"),
        (b'["a"]', "line 1: a question has one field"),
        (b"{}", "line 1: a question has one field"),
        (b'{"text": "  "}', "line 1: text is empty or no string"),
        (b'{"audio": 7}', "line 1: audio is empty or no string"),
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
