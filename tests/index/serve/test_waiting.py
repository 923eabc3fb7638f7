"""Questions that have waited too long: their callers have gone, so they are refused, and delay nobody."""

import asyncio

import pytest

from index.serve import gathering
from index.serve.gathering import Gatherer
from index.serve.problems import Problem
from tests.index.serve.test_parts_of_the_service import SlowEncoder


def test_a_question_that_waited_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "LONGEST_WAIT_S", 0.1)

    async def run() -> None:
        encoder = SlowEncoder()
        gatherer = Gatherer(encoder, most_waiting=1_000)
        # A long text alone fills a batch: of this request one is encoded, and the other waits for it.
        first = asyncio.create_task(gatherer.encode_all(["x" * 30_000, "y" * 30_000], "document"))
        await asyncio.sleep(0.05)
        late = asyncio.create_task(gatherer.encode_all(["z", "z"], "query"))
        await asyncio.sleep(0.2)
        encoder.go.set()
        assert [one.vector[0] for one in await first] == [30_000, 30_000]
        with pytest.raises(Problem, match="too many questions are waiting"):
            await late
        assert (await gatherer.encode("w")).vector.tolist() == [1]
        assert [len(batch) for batch in encoder.batches] == [1, 1, 1]
        gatherer.close()

    asyncio.run(run())
