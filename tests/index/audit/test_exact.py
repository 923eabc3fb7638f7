"""Exact hits read in pieces: the same as in one piece, whatever is kept and hidden."""

import numpy as np
import pytest

from index.audit import exact
from index.audit.exact import exact_hits, share_found
from index.contracts import Hits
from index.kept import Kept
from tests.index.shelves import WIDTH, clustered, coder_of, segment, shelf

ROWS = clustered(300, 1)
NOTHING = np.empty(0, np.int64)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "VALUES", 24 * WIDTH)


@pytest.mark.parametrize("k", [1, 10, 400])
@pytest.mark.parametrize("share", [None, 0.5, 0.01, 0.0])
def test_pieces_give_the_whole(k: int, share: float | None) -> None:
    coder = coder_of(ROWS)
    both = shelf([segment(ROWS[:200], coder), segment(ROWS[200:], coder, first_id=500)], coder)
    masks = [np.random.default_rng(1).random(len(one)) < (2 if share is None else share) for one in both.segments]
    kept, hidden, query = [None if share is None else Kept(mask) for mask in masks], np.array([501, 7]), ROWS[:1]
    pauses: list[int] = []
    found = exact_hits(both.segments, query, k, WIDTH, kept, hidden, lambda: pauses.append(1))
    ids = np.concatenate([one.first_id + np.flatnonzero(mask) for one, mask in zip(both.segments, masks, strict=True)])
    rows = np.concatenate([one.rows[mask] for one, mask in zip(both.segments, masks, strict=True)]).astype(np.float32)
    cosines = (rows @ query[0]) / np.linalg.norm(rows, axis=1)
    shown = ~np.isin(ids, hidden)
    best = np.argsort(-cosines[shown], kind="stable")[:k]
    assert found.ids.shape == (1, k)
    assert found.ids[0, : len(best)].tolist() == ids[shown][best].tolist()
    np.testing.assert_allclose(found.scores[0, : len(best)], cosines[shown][best], atol=1e-6)
    assert (found.ids[0, len(best) :] == -1).all()
    assert len(pauses) == -(-200 // 24) + -(-100 // 24)


def hits(ids: list[int], scores: list[float]) -> Hits:
    return Hits(np.array([ids], np.int64), np.array([scores], np.float32))


def test_share_found_by_hand() -> None:
    true = hits([4, 5, 6, -1], [0.9, 0.8, 0.7, -np.inf])
    assert share_found(true, true) == 1
    assert share_found(hits([4, 6, 9, -1], [0.9, 0.7, 0.1, -np.inf]), true) == pytest.approx(2 / 3)
    assert share_found(hits([4, 5, 9, -1], [0.9, 0.8, 0.7, -np.inf]), true) == 1  # a row equal to the last true one
    assert share_found(hits([-1], [-np.inf]), true) == 0
    assert share_found(hits([-1], [-np.inf]), hits([-1], [-np.inf])) == 1
