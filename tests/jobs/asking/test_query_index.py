"""Questions at the door of `deglu query`: a tiny random model, an index of what it embedded, and every refusal."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from embed.encoder import SAMPLE_RATE
from embed.errors import FingerprintMismatch, InputError, SpecError
from embed.model import weights as directory
from embed.model.folder import SPEC
from embed.model.handle import resolve_model
from embed.model.weights import load_model
from embed.storage.store import join, write_bytes
from index.ask import questions
from index.contracts import SearchRequest
from index.filter import parse_where
from jobs.__main__ import run
from jobs.asking.query_index import QueryReport, query_index
from tests.jobs.asked import TEXTS, asked_index, tone
from tests.towers import encoder_values, model_in


@pytest.fixture(scope="module")
def index(tiny_model: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An index whose documents are the questions themselves, so that each must find its own first."""
    return asked_index(tiny_model, str(tmp_path_factory.mktemp("asked") / "index"))


def _asked(
    index: str,
    text: str | None = None,
    audio: str | None = None,
    batch: str | None = None,
    model: str | None = None,
    **wishes: Any,
) -> QueryReport:
    return query_index(index, SearchRequest(**wishes), text, audio, batch, model)


@pytest.fixture
def recording(tmp_path: Path) -> str:
    soundfile.write(tmp_path / "question.flac", tone(440), SAMPLE_RATE)
    return str(tmp_path / "question.flac")


def test_a_typed_question_finds_its_words(index: str) -> None:
    found = _asked(index, text=TEXTS[0], k=2, modality="text")
    (question,) = found.document()["questions"]
    assert (question["kind"], question["question"], found.document()["explain"]) == ("text", TEXTS[0], None)
    assert [answer["rank"] for answer in question["answers"]] == [1, 2]
    assert question["answers"][0]["text"] == TEXTS[0]
    assert question["answers"][0]["score"] == pytest.approx(1, abs=1e-3)
    assert all(part in found.text() for part in (TEXTS[0], "score", "asset", "characters", "radio/0.x", "0 - 25"))


@pytest.mark.parametrize("rate", [SAMPLE_RATE, 44_100])
def test_a_spoken_question_of_any_rate_finds_the_moment(index: str, tmp_path: Path, rate: int) -> None:
    wave = 0.3 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    soundfile.write(tmp_path / "q.wav", np.stack([wave, wave], axis=1), rate, subtype="FLOAT")
    found = _asked(index, audio=str(tmp_path / "q.wav"), modality="speech")
    answer = found.answers[0][0]
    assert (answer.uri, answer.start_s) == ("radio/4.x", 75.0)
    assert answer.score == pytest.approx(1, abs=0.02)
    assert "1:15.0 - 1:16.0" in found.text()


def test_a_batch_mixes_both_and_keeps_its_order(
    index: str, storage_url: str, recording: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "ENCODED_AT_ONCE", 1)
    write_bytes(join(storage_url, "clips/q.flac"), Path(recording).read_bytes())
    lines = [
        '\ufeff{"text": "un marché à thiès"}',
        '{"audio": "clips/q.flac"}',
        "",
        json.dumps({"audio": recording}),
        '{"text": "the price of rice"}\r',
    ]
    write_bytes(join(storage_url, "questions.jsonl"), "\n".join(lines).encode())
    found = _asked(index, batch=join(storage_url, "questions.jsonl"), k=5)
    spoken, typed = _asked(index, audio=recording, k=5).answers[0], _asked(index, text=TEXTS[1], k=5).answers[0]
    assert [question.kind for question in found.questions] == ["text", "audio", "audio", "text"]
    assert [[a.id for a in some] for some in found.answers[1:]] == [[a.id for a in s] for s in (spoken, spoken, typed)]
    assert found.questions[1].label == join(storage_url, "clips/q.flac")
    assert json.loads(json.dumps(found.document()))["questions"][2]["question"] == recording


def test_explain_says_what_each_stage_did(index: str, tiny_model: str) -> None:
    found = _asked(index, text="rice", dim=8, explain=True)
    costs = found.document()["explain"]
    assert (costs["model"], costs["queries"], costs["version"]) == (tiny_model, 1, 1)
    read = {
        (stage["modality"], stage["stage"], stage["dim"], stage["rows"], stage["share"]) for stage in costs["stages"]
    }
    assert read == {("speech", "all", 8, 1, 1.0), ("text", "all", 8, 4, 1.0)}
    assert min(costs[name] for name in ("encode_s", "first_search_s", "search_s")) > 0
    assert f"1 question: encoded by {tiny_model} in " in found.text()
    assert "text: every row: 4 rows, too few to be worth lists and codes" in found.text()


def test_a_filter_leaves_other_rows_out(index: str) -> None:
    def uris(text: str | None) -> set[str]:
        where = None if text is None else parse_where(text)
        return {answer.uri for answer in _asked(index, text=TEXTS[0], where=where).answers[0]}

    assert uris(None) == {f"radio/{i}.x" for i in range(5)}
    assert uris("uri = 'radio/1.x' or start_s >= 75") == {"radio/1.x", "radio/4.x"}
    assert uris("uri = 'elsewhere'") == set()
    assert _asked(index, text=TEXTS[0], where=parse_where("uri = 'elsewhere'")).text() == f"{TEXTS[0]}\nno answers"


@pytest.mark.parametrize("wish", [{"recall": 0.999}, {"recall": 1.0}, {"budget_ms": 5.0}])
def test_a_small_index_keeps_every_wish(index: str, wish: dict[str, Any]) -> None:
    assert [answer.uri for answer in _asked(index, text=TEXTS[1], modality="text", k=1, **wish).answers[0]] == [
        "radio/1.x"
    ]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--recall", "0.9", "--budget-ms", "2"], "recall and budget_ms were both given"),
        (["--recall", "1.5"], "recall = 1.5: must be above 0 and at most 1"),
        (["--recall", "0"], "recall = 0:"),
        (["--budget-ms", "nan"], "budget_ms = nan: must be above 0"),
        (["--where", "colour = 'red'"], "--where: unknown column colour; columns are "),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_read(
    options: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["query", "never opened", "--text", "rice", *options]) == 2
    assert line in capsys.readouterr().err


def test_the_model_is_the_one_asked_for_before_the_index_own(index: str) -> None:
    with pytest.raises(SpecError, match="model 'nosuch' is neither a released one"):
        _asked(index, text="rice", model="nosuch")


def test_the_models_spec_is_read_once(index: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reads, read = list[Path](), Path.read_text

    def counted(path: Path, *args: Any, **kwargs: Any) -> str:
        reads.append(path)
        return read(path, *args, **kwargs)

    monkeypatch.setattr(Path, "read_text", counted)
    _asked(index, text="rice")
    assert [path.name for path in reads].count(SPEC) == 1


def test_a_typed_question_is_encoded_as_by_the_whole_model(index: str, tiny_model: str) -> None:
    whole, texts = load_model(resolve_model(tiny_model)), load_model(resolve_model(tiny_model), speech=False)
    assert texts.fingerprints == whole.fingerprints
    assert np.array_equal(texts.encode(TEXTS, "query"), whole.encode(TEXTS, "query"))
    with pytest.raises(SpecError, match="text alone"):
        texts.encode([tone(440)], "query")


def test_another_space_is_refused_before_a_tower_is_loaded(
    index: str, tiny: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = model_in(tmp_path / "other", encoder_values(tiny, "qwen3", None))
    monkeypatch.setattr(directory, "load_model", None)
    with pytest.raises(FingerprintMismatch) as caught:
        _asked(index, text="rice", model=other)
    assert f"model {other!r} is in space {resolve_model(other).fingerprints.space}" in str(caught.value)
    assert "ask with the model that embedded data/vectors (--model of `deglu query`)" in str(caught.value)


def test_a_model_of_text_alone_answers_typed_questions_only(
    index: str, tiny: Callable[[str], str], tmp_path: Path, recording: str
) -> None:
    text_only = model_in(tmp_path / "text", encoder_values(tiny, "bert", None))
    assert _asked(index, text=TEXTS[3], model=text_only, modality="text").answers[0][0].text == TEXTS[3]
    with pytest.raises(SpecError, match="encodes only text; type the question"):
        _asked(index, audio=recording, model=text_only)


def test_errors_name_the_cure(index: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"dim = 24: .* declares the dims 32, 16, 8; choose one of these"):
        _asked(index, text="rice", dim=24)
    with pytest.raises(SpecError, match="--text: text is empty"):
        _asked(index, text=" ")
    with pytest.raises(SpecError, match="give exactly one"):
        _asked(index)
    with pytest.raises(InputError, match="no index here; build one with `deglu index SPEC`"):
        _asked(str(tmp_path), text="rice")
    with pytest.raises(InputError, match=r"nowhere\.wav: no such file; check the path"):
        _asked(index, audio=str(tmp_path / "nowhere.wav"))


def test_the_verb_prints_one_document(index: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["query", index, "--text", "the price of rice", "-k", "3", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["index"], len(document["questions"][0]["answers"])) == (index, 3)
    assert run(["query", index, "--text", "rice", "--dim", "7"]) == 2
    assert "declares the dims 32, 16, 8" in capsys.readouterr().err
