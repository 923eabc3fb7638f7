"""Rows of a group next to rows of everybody: what a caller hears, counts and infers of them."""

from functools import partial
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.index.serve.conftest import MakeClient
from tests.index.serve.test_service import MINE, THEIRS, TOKENS, ask, speech_id


@pytest.fixture
def vectors_of(vectors_of: Any) -> Any:
    """All rows of a modality are of one recording; row i is at i to i + 1.5 s."""
    return partial(vectors_of, rows_per_asset=4)


def sound_of(
    client: TestClient, number: int, headers: dict[str, str], pad_s: float = 1.0
) -> tuple[str, tuple[float, float]]:
    """The clip of a row, and the stretch of its peaks."""
    place, params = f"/v1/segments/{speech_id(number)}", {"pad_s": pad_s}
    peaks = client.get(f"{place}/peaks", params=params, headers=headers).json()
    return client.get(f"{place}/audio", params=params, headers=headers).text, (peaks["start_s"], peaks["end_s"])


def test_padding_does_not_play_a_row_of_another_group(client_of: MakeClient) -> None:
    client = client_of(TOKENS)
    assert sound_of(client, 2, MINE) == ("wav /radio/0.wav 2 3.5", (2.0, 3.5))
    assert sound_of(client, 0, MINE) == ("wav /radio/0.wav 0 2.5", (0.0, 2.5))
    assert sound_of(client, 0, MINE, 1.6) == ("wav /radio/0.wav 0 1.5", (0.0, 1.5))
    assert sound_of(client, 2, THEIRS) == ("wav /radio/0.wav 1 4.5", (1.0, 4.5))


def test_nothing_shows_how_many_rows_a_group_has(client_of: MakeClient) -> None:
    client = client_of(TOKENS)
    for headers, rows in ((MINE, 6), (THEIRS, 8)):
        assert client.get("/v1/indexes", headers=headers).json()["indexes"][0]["rows"] == rows
        assert 'deglu_index_rows{index="radio"} 6.0' in client.get("/metrics", headers=headers).text
    client.headers.update(MINE)
    hidden = ask(client, text="star", explain=True, where="start_s > 2")["explain"]
    assert hidden == {
        "queries": 1,
        "stages": [],
        "why": ["this index has rows that you may not see, so what a search reads is not shown"],
    }
    client.headers.update(THEIRS)
    assert ask(client, text="star", explain=True)["explain"]["stages"]


def test_a_row_of_a_group_leaves_no_trace_where_it_is_named(client_of: MakeClient) -> None:
    """To exclude it, or to ask for it, is as with an id that no row has."""
    client = client_of(TOKENS)
    client.headers.update(MINE)
    for named in (speech_id(3), "0" * 32):
        assert len(ask(client, text="nine", exclude=[named], k=100)["hits"]) == 6
    asked = [client.post("/v1/search", json={"segment_id": one}) for one in (speech_id(3), "0" * 32)]
    assert asked[0].json() == asked[1].json()
