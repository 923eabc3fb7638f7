import numpy as np
import pytest

from embed.encoder import truncate
from embed.errors import InputError
from evaluate.measures import by_dim
from evaluate.measures.by_dim import judged_at, judged_by_dim
from evaluate.measures.metrics import judge
from evaluate.measures.names import NDCG, RECALL

AXES = np.eye(16, dtype=np.float32)


def test_full_width_finds_all_a_prefix_only_what_it_holds() -> None:
    """Each axis asks for itself.  In 4 dims axes 4..15 are zero vectors: they tie with all, and so come last."""
    judged = judged_by_dim(AXES, AXES, np.arange(16), [16, 4])
    assert judged[16].ranks.tolist() == [1] * 16
    assert judged[4].ranks.tolist() == [1] * 4 + [16] * 12
    assert judged[4].values[RECALL].mean() == 0.25


def test_a_prefix_is_brought_back_to_unit_length() -> None:
    """Cut to two dims, the right document (.6 .0) is short but points as the question does; (.7 .7) does not."""
    query = np.array([[1, 0, 0]], np.float32)
    documents = np.array([[0.6, 0, 0.8], [0.7, 0.7, 0.14]], np.float32)
    judged = judged_by_dim(query, documents, [{0}], [3, 2])
    assert judged[3].ranks.tolist() == [2]
    assert judged[2].ranks.tolist() == [1]


def test_what_is_excluded_is_no_candidate() -> None:
    documents = np.concatenate([AXES[:1], AXES[:1] + 0.1 * AXES[1:2], AXES[2:]])
    assert judged_by_dim(AXES[:1], documents, [{1}], [16])[16].ranks.tolist() == [2]
    assert judged_by_dim(AXES[:1], documents, [{1}], [16], excluded=[{0}])[16].ranks.tolist() == [1]


def test_one_vector_for_everything_does_not_look_good() -> None:
    rng = np.random.default_rng(0)
    same = np.repeat(rng.standard_normal((1, 64)), 100, axis=0).astype(np.float32)
    assert judged_by_dim(same, same, np.arange(100), [64])[64].values[NDCG].sum() == 0


def test_a_system_may_have_vectors_of_its_own_for_each_dim() -> None:
    """In 2 dims it finds by itself what no prefix of its 16 would: the second axis is right for all."""
    own = {16: AXES[2:4], 2: np.repeat(AXES[1:2, :2], 2, axis=0)}
    judged = judged_by_dim(own, AXES, [{2}, {1}], [16, 2])
    assert judged[16].ranks.tolist() == [1, 16]
    assert judged[2].ranks.tolist() == [16, 1]
    with pytest.raises(InputError, match="this system has no vectors of width 4; choose dims of 16, 2"):
        judged_by_dim(own, AXES, [{2}, {1}], [4])


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    queries, documents = rng.standard_normal((2, 30, 8)).astype(np.float32)
    excluded = [{(row + 1) % 30} for row in range(30)]
    whole = judged_by_dim(queries, documents, np.arange(30), [8], excluded)[8]
    monkeypatch.setattr(by_dim, "BLOCK", 7)
    parts = judged_by_dim(queries, documents, np.arange(30), [8], excluded)[8]
    assert parts.ranks.tolist() == whole.ranks.tolist()
    assert parts.values[NDCG].tolist() == whole.values[NDCG].tolist()
    assert parts.queries == whole.queries


def test_refuses_what_does_not_fit() -> None:
    with pytest.raises(InputError, match=r"dims \[32\]"):
        judged_by_dim(AXES, AXES, np.arange(16), [16, 32])
    with pytest.raises(InputError, match="same width"):
        judged_by_dim(AXES[:, :8], AXES, np.arange(16), [8])
    with pytest.raises(InputError, match="nothing to score"):
        judged_by_dim(AXES[:0], AXES, [], [16])


def test_equals_the_judgement_of_all_scores_in_64_bits() -> None:
    """More documents than are sorted; ties, equal documents, a constant encoder, and excluded documents."""
    rng = np.random.default_rng(5)
    for name in ("plain", "ties", "equal", "constant", "excluded"):
        queries, documents = (rng.normal(size=(count, 24)).astype(np.float32) for count in (7, 900))
        if name == "ties":
            queries, documents = np.sign(queries), np.sign(documents)
        if name == "equal":
            documents[450:] = documents[:450]
        if name == "constant":
            documents[:] = documents[0]
        queries, documents = truncate(queries, 24), truncate(documents, 24)
        relevant = [set(rng.choice(900, rng.integers(1, 5), False).tolist()) for _ in range(7)]
        excluded = [set(rng.choice(900, 300, False).tolist()) for _ in range(7)] if name == "excluded" else None
        scores = np.round(queries.astype(np.float64) @ documents.T.astype(np.float64), 7)
        for row, out in zip(scores, excluded or (), strict=False):
            row[list(out)] = -np.inf
        found, expected = judged_at(queries, documents, relevant, excluded), judge(scores, relevant)
        assert found.ranks.tolist() == expected.ranks.tolist(), name
        for mine, other in zip(found.tops, expected.tops, strict=True):
            assert mine.tolist() == other.tolist(), name
        for measure, values in expected.values.items():
            assert found.values[measure].tolist() == values.tolist(), (name, measure)


def test_a_vector_that_is_not_finite_is_refused() -> None:
    broken = AXES.copy()
    broken[3, 3] = np.nan
    with pytest.raises(InputError, match="NaN or infinite"):
        judged_by_dim(AXES, broken, np.arange(16), [16])
