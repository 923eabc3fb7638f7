"""The service through its routes: every form of a question, segments, clips, embeddings, problems, access, limits."""

import base64
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from embed.identity import digest
from index.ask.searcher import Index, open_index
from index.serve.settings import Settings
from tests.index.serve.conftest import SECRET, STAFF, MakeClient

TOKENS = f'{{"{SECRET}": [], "{STAFF}": ["staff"]}}'
MINE, THEIRS = {"Authorization": f"Bearer {SECRET}"}, {"Authorization": f"Bearer {STAFF}"}


def speech_id(number: int) -> str:
    return digest("speech", number).hex()


def ask(client: TestClient, **body: Any) -> dict[str, Any]:
    answer = client.post("/v1/search", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def problem(answer: Any) -> tuple[int, str]:
    """Status and sentence of a request that failed, which is a problem in the one shape of all."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    assert body["status"] == answer.status_code
    return answer.status_code, body["detail"]


QUESTIONS: dict[str, dict[str, Any]] = {
    "text": {"json": {"text": "star"}},
    "vector": {"json": {"vector": [0, 1, 0, 0]}},
    "audio": {"files": {"audio": ("../../etc/passwd", b"star")}},
}


@pytest.mark.parametrize("form", QUESTIONS)
def test_every_form_of_a_question_finds_the_row(form: str, client_of: MakeClient) -> None:
    answer = client_of().post("/v1/search", **QUESTIONS[form])
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["index"], found["version"], found["promised_recall"]) == ("radio", 1, 0.99)
    hits = found["hits"]
    assert {hit["modality"] for hit in hits[:2]} == {"speech", "text"}
    assert {hit["title"] for hit in hits[:2]} == {"programme 1"}
    assert [hit["rank"] for hit in hits] == list(range(1, len(hits) + 1))
    assert hits[-1]["margin"] == 0 < hits[0]["margin"]


def test_a_segment_finds_what_is_like_it_and_not_itself(client_of: MakeClient) -> None:
    found = ask(client_of(), segment_id=speech_id(2), modality="any", k=1)["hits"]
    assert [(hit["modality"], hit["title"]) for hit in found] == [("text", "programme 2")]


def test_the_fields_of_a_search_are_those_of_the_library(client_of: MakeClient) -> None:
    client = client_of(TOKENS)
    client.headers.update(THEIRS)
    found = ask(client, text="star", k=2, modality="speech", dim=2, where="start_s < 2", explain=True)
    assert [hit["start_s"] for hit in found["hits"]] == [1.0, 0.0]
    assert found["explain"]["why"]
    assert found["explain"]["stages"][0]["dim"] == 2
    without = ask(client, text="star", modality="speech", exclude=[speech_id(1)])["hits"]
    assert speech_id(1) not in [hit["segment_id"] for hit in without]
    assert ask(client, text="star", budget_ms=5)["promised_recall"] is None


def test_a_form_has_the_same_fields(client_of: MakeClient) -> None:
    fields = {"k": "1", "modality": "speech", "exclude": [speech_id(1)], "where": "start_s >= 1"}
    found = client_of().post("/v1/search", files={"audio": b"star"}, data=fields).json()["hits"]
    assert len(found) == 1
    assert found[0]["segment_id"] != speech_id(1)


def test_questions_of_a_batch_are_encoded_together(client_of: MakeClient) -> None:
    client = client_of()
    encoder = client.app.state.service.gatherer.encoder  # type: ignore[attr-defined]  # of FastAPI
    body = {"questions": [{"text": "hash"}, {"vector": [0, 0, 1, 0]}, {"text": "star"}], "k": 1, "modality": "speech"}
    found = client.post("/v1/search/batch", json=body).json()["answers"]
    assert [one["hits"][0]["start_s"] for one in found] == [0.0, 2.0, 1.0]
    assert encoder.batches == [2]


WRONG: dict[str, tuple[dict[str, Any], int, str]] = {
    "nothing": ({"json": {}}, 422, "exactly one of text, vector and segment_id"),
    "two": ({"json": {"text": "a", "vector": [1, 0, 0, 0]}}, 422, "exactly one"),
    "no words": ({"json": {"text": "  "}}, 422, "has no words"),
    "long": ({"json": {"text": "a" * 8_193}}, 422, "at most 8192"),
    "width": ({"json": {"vector": [1.0]}}, 400, "has 1 values; this index takes 4"),
    "zero": ({"json": {"vector": [0, 0, 0, 0]}}, 400, "zero"),
    "not a number": ({"content": b'{"vector": [NaN, 0, 0, 0]}'}, 422, "vector.0"),
    "not JSON": ({"content": b"{"}, 400, "not JSON"),
    "surrogate": ({"content": b'{"text": "\\ud800"}'}, 422, "text"),
    "unknown field": ({"json": {"text": "a", "top": 3}}, 422, "top"),
    "dim": ({"json": {"text": "a", "dim": 3}}, 400, "dims 4, 2"),
    "recall and budget": ({"json": {"text": "a", "recall": 0.9, "budget_ms": 1}}, 400, "give only one"),
    "filter": ({"json": {"text": "a", "where": "uri = 3"}}, 400, "compares text"),
    "hits": ({"json": {"text": "a", "k": 1_001}}, 422, "at most 1000"),
    "index": ({"json": {"text": "a", "index": "tv"}}, 404, "radio"),
    "segment": ({"json": {"segment_id": "0" * 32}}, 404, "take one from a hit"),
    "no file": ({"data": {"audio": "hash"}, "files": {"other": b"a"}}, 422, "as a file in this field"),
    "not sound": ({"files": {"audio": b"noise"}}, 400, "no reader knows"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_question_is_a_problem_that_names_the_field(case: str, client_of: MakeClient) -> None:
    sent, status, words = WRONG[case]
    code, detail = problem(client_of().post("/v1/search", **sent))
    assert (code, words in detail) == (status, True), (code, detail)


def test_a_segment_its_sound_and_its_peaks(client_of: MakeClient) -> None:
    client = client_of()
    place = f"/v1/segments/{speech_id(1)}"
    assert client.get(place).json()["metadata"] == {"number": "1", "title": "programme 1"}
    sound = client.get(f"{place}/audio", params={"pad_s": 0.5, "format": "webm"})
    assert (sound.content, sound.headers["content-type"]) == (b"webm /radio/1.wav 0.5 3", "audio/webm")
    part = client.get(f"{place}/audio", headers={"Range": "bytes=4-8"})
    assert (part.status_code, part.content) == (206, b"/radi")
    assert part.headers["content-range"] == "bytes 4-8/22"
    assert client.get(f"{place}/audio", headers={"Range": "bytes=-5"}).content == b"1 2.5"
    assert problem(client.get(f"{place}/audio", headers={"Range": "bytes=90-"}))[0] == 416
    shown = client.get(f"{place}/peaks", params={"count": 3}).json()
    assert shown == {"start_s": 1.0, "end_s": 2.5, "peaks": [0.5, 0.5, 0.5]}
    text = f"/v1/segments/{digest('text', 1).hex()}/audio"
    assert problem(client.get(text)) == (404, "this segment is a text: there is nothing to play")


def test_what_cannot_be_played_is_still_found(client_of: MakeClient) -> None:
    silent = client_of(sounds=None)
    assert ask(silent, text="hash")["hits"]
    assert problem(silent.get(f"/v1/segments/{speech_id(1)}/audio"))[0] == 404
    assert problem(silent.post("/v1/search", files={"audio": b"hash"}))[0] == 501


def test_embeddings_have_the_shape_of_openai(client_of: MakeClient) -> None:
    client = client_of()
    sound = {"type": "input_audio", "input_audio": {"data": base64.b64encode(b"star").decode(), "format": "wav"}}
    found = client.post("/v1/embeddings", json={"input": ["hash", sound], "model": "words", "dimensions": 2}).json()
    assert [one["embedding"] for one in found["data"]] == [[1.0, 0.0], [0.0, 1.0]]
    packed = client.post("/v1/embeddings", json={"input": "star", "encoding_format": "base64"}).json()["data"][0]
    assert np.frombuffer(base64.b64decode(packed["embedding"]), "<f4").tolist() == [0, 1, 0, 0]
    assert client.get("/v1/models").json()["data"][0]["id"] == "words"
    for body, status in (
        ({"input": "a", "model": "ada"}, 404),
        ({"input": "a", "dimensions": 3}, 422),
        ({"input": []}, 422),
        ({"input": " "}, 422),
        ({"input": [{"type": "input_audio", "input_audio": {"data": "?"}}]}, 422),
    ):
        assert problem(client.post("/v1/embeddings", json=body))[0] == status, body


def doors(client: TestClient, headers: dict[str, str]) -> dict[str, bool]:
    """Through which doors row 3 of speech is reached, by name."""
    theirs, place = speech_id(3), f"/v1/segments/{speech_id(3)}"

    def finds(answer: Any) -> bool:
        every = answer.json().get("answers", [answer.json()]) if answer.status_code == 200 else []
        return any(hit["segment_id"] == theirs for one in every for hit in one["hits"])

    def post(path: str, **sent: Any) -> bool:
        return finds(client.post(path, headers=headers, **sent))

    escape = "true) or (true"
    return {
        "text": post("/v1/search", json={"text": "nine"}),
        "vector": post("/v1/search", json={"vector": [0, 0, 0, 1], "recall": 1}),
        "recording": post("/v1/search", files={"audio": b"nine"}),
        "filter": post("/v1/search", json={"text": "nine", "where": "metadata['access'] = 'staff'"}),
        "escape": post("/v1/search", json={"text": "nine", "where": escape}),
        "comment": post("/v1/search", json={"text": "nine", "where": "true -- "}),
        "batch": post("/v1/search/batch", json={"questions": [{"text": "nine"}]}),
        "like it": client.post("/v1/search", headers=headers, json={"segment_id": theirs}).status_code == 200,
        "segment": client.get(place, headers=headers).status_code == 200,
        "sound": client.get(f"{place}/audio", headers=headers).status_code != 404,
        "peaks": client.get(f"{place}/peaks", headers=headers).status_code != 404,
        "count": client.get("/v1/indexes", headers=headers).json()["indexes"][0]["rows"] == 8,
    }


def test_a_restricted_row_is_reached_by_its_group_alone(client_of: MakeClient) -> None:
    client = client_of(TOKENS)
    assert not any(doors(client, MINE).values()), doors(client, MINE)
    seen = doors(client, THEIRS)
    assert [name for name, reached in seen.items() if not reached] == ["escape", "comment", "sound", "peaks"]
    assert problem(client.get(f"/v1/segments/{speech_id(3)}/audio", headers=THEIRS))[1].startswith("the dataset")
    assert problem(client.post("/v1/search", json={"text": "nine"}))[0] == 401
    assert problem(client.get("/metrics", headers={"Authorization": "Bearer wrong"}))[0] == 401
    assert not any(doors(client_of(), {}).values())  # nobody is in a group where there are no tokens


def test_limits_are_named(client_of: MakeClient) -> None:
    client = client_of(settings=Settings(most_bytes=100, requests_per_s=0.001, burst=2))
    large = problem(client.post("/v1/search", json={"text": "a" * 200}))
    assert large == (413, "a request has at most 100 bytes")

    def slowly() -> Any:
        yield from (b"x" * 60, b"y" * 60)

    assert problem(client.post("/v1/search", content=slowly()))[0] == 413
    assert client.post("/v1/search", json={"text": "hash"}).status_code == 200
    refused = client.post("/v1/search", json={"text": "hash"})
    assert problem(refused) == (429, "too many requests; slow down")
    assert int(refused.headers["retry-after"]) > 1
    waiting = client_of(settings=Settings(most_waiting=1))
    body = {"questions": [{"text": "hash"}, {"text": "star"}]}
    assert problem(waiting.post("/v1/search/batch", json=body))[0] == 503


def test_a_new_version_takes_over(client_of: MakeClient, index_url: str, vectors_of: Any, build_at: Any) -> None:
    with client_of() as client:
        service = client.app.state.service  # type: ignore[attr-defined]  # of FastAPI
        assert service.holdings.renew() == []
        moved = vectors_of(speech=np.eye(4)[::-1], text=np.eye(4), dims=(4, 2))
        build_at(index_url, moved, new_version=True)
        assert ask(client, text="hash", modality="speech", k=1)["version"] == 1
        assert service.holdings.renew() == ["radio"]
        found = ask(client, text="hash", modality="speech", k=1)
        assert (found["version"], found["hits"][0]["start_s"]) == (2, 3.0)


def test_a_version_that_cannot_be_opened_leaves_the_old_one(
    client_of: MakeClient, index_url: str, vectors_of: Any, build_at: Any
) -> None:
    calls: list[str] = []

    def opened(url: str) -> Index:
        calls.append(url)
        if len(calls) > 1:
            return open_index(url, "another space")
        return open_index(url)

    client = client_of(opened=opened)
    build_at(index_url, vectors_of(speech=np.eye(4), dims=(4, 2)), new_version=True)
    assert client.app.state.service.holdings.renew() == []  # type: ignore[attr-defined]  # of FastAPI
    assert ask(client, text="hash")["version"] == 1


def test_operation(client_of: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    client = client_of()
    ask(client, text="hash")
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}
    counted = client.get("/metrics").text
    assert 'deglu_requests_total{route="/v1/search",status="2xx"} 1.0' in counted
    assert 'deglu_index_rows{index="radio"} 6.0' in counted
    page = client.get("/")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert problem(client.get("/nowhere"))[0] == 404
    assert client.get("/v1/indexes", headers={"Host": "evil.example"}).status_code == 400
    monkeypatch.setattr("index.serve.searches.answers_of", None)
    assert problem(client.post("/v1/search", json={"text": "hash"})) == (
        500,
        "a fault of the service; its log has the cause",
    )


@pytest.mark.parametrize("path", ["/v1/search", "/v1/search/batch", "/v1/embeddings"])
def test_the_examples_of_the_description_run(path: str, client_of: MakeClient) -> None:
    client = client_of()
    described = client.get("/openapi.json").json()
    body = described["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    named = body.get("$ref", "").rpartition("/")[2]
    examples = (described["components"]["schemas"][named] if named else body)["examples"]
    for example in examples:
        example.pop("model", None)
        if "segment_id" in example:
            example["segment_id"] = speech_id(0)
        if "dimensions" in example:
            example["dimensions"] = 2
        assert client.post(path, json=example).status_code == 200, example
