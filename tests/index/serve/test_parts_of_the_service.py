"""Parts of the service by themselves: gathering, rates, tokens, and ids of segments."""

import asyncio
import threading

import numpy as np
import pytest

from embed.encoder import Batch, Fingerprints, FloatArray, Role
from embed.errors import SpecError
from embed.identity import digest
from index.ask.searcher import open_index
from index.serve.access import Caller, Tokens
from index.serve.gathering import MOST_TOGETHER, Gatherer
from index.serve.limits import Rates
from index.serve.problems import Problem


class SlowEncoder:
    """Waits until it may go on; remembers its batches.  An `Encoder`."""

    dims = (1,)
    fingerprints = Fingerprints("space", "slow")

    def __init__(self) -> None:
        self.go, self.batches = threading.Event(), list[list[str]]()

    def encode(self, batch: Batch, role: Role, task: str | None = None) -> FloatArray:
        self.go.wait(10)
        self.batches.append([str(one) if isinstance(one, str) else "wave" for one in batch])
        if "bad" in self.batches[-1]:
            raise ValueError("bad")
        return np.array([[len(one)] for one in batch], np.float32)


def test_what_waits_is_encoded_together_by_kind() -> None:
    async def run() -> None:
        encoder = SlowEncoder()
        gatherer = Gatherer(encoder, most_waiting=1_000)
        first = asyncio.create_task(gatherer.encode("a"))
        await asyncio.sleep(0.05)
        contents: list[str | FloatArray] = ["bb", np.zeros(5, np.float32), *["ccc"] * MOST_TOGETHER]
        others = [asyncio.create_task(gatherer.encode(one)) for one in contents]
        await asyncio.sleep(0.05)
        encoder.go.set()
        assert (await first).vector.tolist() == [1]
        found = [await one for one in others]
        assert [one.vector[0] for one in found] == [2, 5, *[3] * MOST_TOGETHER]
        assert [len(batch) for batch in encoder.batches] == [1, MOST_TOGETHER, 1, 1]
        assert encoder.batches[2] == ["wave"]
        assert found[0].together == MOST_TOGETHER
        gatherer.close()

    asyncio.run(run())


def test_a_long_text_does_not_wait_for_a_batch_that_is_full() -> None:
    async def run() -> None:
        encoder = SlowEncoder()
        gatherer = Gatherer(encoder, most_waiting=1_000)
        encoder.go.set()
        texts = ["x" * 30_000, "y" * 30_000, "z"]
        found = await gatherer.encode_all(texts, "document")
        assert [one.vector[0] for one in found] == [30_000, 30_000, 1]
        assert [[len(one) for one in batch] for batch in encoder.batches] == [[30_000, 1], [30_000]]
        gatherer.close()

    asyncio.run(run())


def test_an_error_is_that_of_its_batch_and_a_caller_may_leave() -> None:
    async def run() -> None:
        encoder = SlowEncoder()
        gatherer = Gatherer(encoder, most_waiting=2)
        left = asyncio.create_task(gatherer.encode("a"))
        await asyncio.sleep(0.05)
        gone = asyncio.create_task(gatherer.encode("b"))
        await asyncio.sleep(0.05)
        gone.cancel()
        with pytest.raises(Problem):
            await gatherer.encode_all(["c", "d"], "query")
        encoder.go.set()
        await left
        with pytest.raises(ValueError, match="bad"):
            await gatherer.encode("bad")
        assert (await gatherer.encode("good")).vector[0] == 4
        assert encoder.batches == [["a"], ["bad"], ["good"]]
        gatherer.close()

    asyncio.run(run())


def test_rates_are_an_average_with_a_burst() -> None:
    now = [0.0]
    rates = Rates(2, 3, clock=lambda: now[0])
    assert [rates.wait_s("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert rates.wait_s("b") == 0
    now[0] = 0.5
    assert [rates.wait_s("a") for _ in range(2)] == [0, 0.5]
    now[0] = 100
    assert [rates.wait_s("a") for _ in range(4)][2:] == [0, 0.5]


def test_tokens() -> None:
    tokens = Tokens.parse('{"a-token-of-sixteen-or-more": ["staff"]}')
    found = tokens.caller("bearer a-token-of-sixteen-or-more", "1.2.3.4")
    assert found is not None
    assert found.groups == ("staff",)
    assert "sixteen" not in f"{tokens} {found}"
    assert tokens.caller("Bearer another", "1.2.3.4") is None
    assert tokens.caller(None, "1.2.3.4") is None
    assert Tokens.parse(None).caller(None, "1.2.3.4") == Caller("1.2.3.4")
    for wrong in ("{", "[]", "{}", '{"a-token-of-sixteen-or-more": "staff"}', '{"short": []}'):
        with pytest.raises(SpecError) as error:
            Tokens.parse(wrong)
        assert "sixteen-or" not in str(error.value)


def test_a_group_with_a_quote_is_a_value() -> None:
    where = Caller("a", ("l'heure' or true or '",)).where("lang = 'fr'", restricted=True)
    assert where is not None
    assert where.text.endswith("and (lang = 'fr')")


def test_ids_of_segments_are_those_of_rows_that_may_be_hits(index_url: str) -> None:
    index = open_index(index_url)
    known = [digest("speech", 2), digest("nothing"), digest("text", 0)]
    ids = index.ids(known)
    assert ids[1] == -1
    assert index.rows(ids[[0, 2]])["segment_id"].to_pylist() == [known[0], known[2]]
    assert index.vectors(ids[[2, 0]]).tolist() == [[1, 0, 0, 0], [0, 0, 1, 0]]
    assert index.count() == 8
    assert index.languages() == ["en", "fr"]
