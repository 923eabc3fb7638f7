"""The cut section, on a minute of sound: every container is decoded and cut, and the last row is the whole way."""

from collections.abc import Callable

import pytest

from embed.encoder import FloatArray
from evaluate.bench.embed import cut
from evaluate.bench.embed.cut import GOALS, FreeEncoder, cut_rows
from evaluate.bench.embed.samples import waves
from evaluate.bench.timing import one_thread


@pytest.mark.campaign
@pytest.mark.data
def test_a_row_for_each_container_and_step(monkeypatch: pytest.MonkeyPatch) -> None:
    some, real = waves(8)
    if not real:
        pytest.skip("NO RECORDED DATA: no speech to detect")
    monkeypatch.setattr(cut, "ROUNDS", 1)
    monkeypatch.setattr(cut, "waves", lambda _: (some, real))
    kept: list[int] = []
    monkeypatch.setattr(FreeEncoder, "encode", _counted(FreeEncoder.encode, kept))
    with one_thread():
        rows = cut_rows(0.2)
    assert len(rows) == 3 * len(GOALS) + 1
    assert all(row.ours > 0 for row in rows)
    assert [row.goal for row in rows if "decoded and" in row.measure] == list(GOALS.values())
    assert "encoder starved" in rows[-1].measure
    assert sum(kept) > 0  # speech arrived in the encoder


def _counted(encode: Callable[..., FloatArray], kept: list[int]) -> Callable[..., FloatArray]:
    def counted(self: FreeEncoder, batch: list[FloatArray], *rest: object) -> FloatArray:
        kept.append(len(batch))
        return encode(self, batch, *rest)

    return counted
