"""Lists and codes: balanced, the same every time, and what a search by code sees of the rows."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed.encoder import truncate
from embed.errors import StorageError
from index.faiss_library import library
from index.parts.artifact import CENTROIDS, CODEBOOK, GAINS, ORDER
from index.rungs.coder import Coder, balanced, load_coder, save_coder, train_coder
from tests.index.shelves import WIDTH, clustered


@pytest.fixture(scope="module")
def rows() -> Any:
    return clustered(2_000, 1).astype(np.float16)


@pytest.fixture(scope="module")
def coder(rows: Any) -> Coder:
    return train_coder(rows, 12, WIDTH, 8)


def _same(one: Coder, two: Coder) -> bool:
    return all(
        getattr(one, name).tobytes() == getattr(two, name).tobytes()
        and getattr(one, name).shape == getattr(two, name).shape
        for name in ("centroids", "codebook", "gains", "order")
    )


@pytest.mark.parametrize(
    ("variances", "subspaces", "order"),
    [
        ([8, 4, 2, 1], 2, [0, 3, 1, 2]),  # products 8 and 8
        ([1, 2, 4, 8], 2, [3, 0, 2, 1]),
        ([1, 1, 1, 1], 2, [0, 2, 1, 3]),
        ([4, 0, 2, 1], 1, [0, 2, 3, 1]),
        ([3, 2, 1], 3, [0, 1, 2]),
    ],
)  # fmt: skip
def test_dims_are_dealt_out_by_eye(variances: Any, subspaces: int, order: Any) -> None:
    assert balanced(np.array(variances, np.float32), subspaces).tolist() == order


@given(st.lists(st.floats(0, 1e3, width=32), min_size=1, max_size=8), st.integers(1, 5))
def test_every_dim_has_one_place(variances: list[float], subspaces: int) -> None:
    found = balanced(np.array(variances * subspaces, np.float32), subspaces)
    assert sorted(found) == list(range(len(variances) * subspaces))


def test_the_same_sample_gives_the_same_coder(rows: Any, coder: Coder) -> None:
    assert _same(train_coder(rows, 12, WIDTH, 8), coder)
    assert coder.centroids.shape == (12, WIDTH)
    assert coder.codebook.shape == (8, 16, 2)
    np.testing.assert_allclose(np.linalg.norm(coder.centroids, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("n", [1, 5])
def test_fewer_rows_than_lists(n: int) -> None:
    """As many lists as rows, and each row alone in its own."""
    some = np.eye(WIDTH, dtype=np.float16)[:n]
    coder = train_coder(some, 12, WIDTH, 4)
    assert coder.lists == n
    assert sorted(coder.lists_of(some)) == list(range(n))
    assert coder.error(some, coder.lists_of(some)) == 0
    assert np.isfinite(coder.codebook).all()
    assert np.isfinite(coder.gains).all()


def test_a_row_s_list_is_the_nearest_whatever_its_type_and_length(rows: Any, coder: Coder) -> None:
    lists = coder.lists_of(rows)
    assert lists.dtype == np.int32
    assert lists.tolist() == (rows.astype(np.float32) @ coder.middles(WIDTH).T).argmax(axis=1).tolist()
    assert coder.lists_of(rows.astype(np.float32)).tolist() == lists.tolist()
    assert coder.lists_of(rows.astype(np.float32) * 3).tolist() == lists.tolist()
    assert coder.lists_of(rows[:0]).shape == (0,)


def test_codes_of_a_prefix_see_the_prefix_alone(rows: Any) -> None:
    coder = train_coder(rows, 6, 8, 4)
    assert sorted(coder.order) == list(range(8))
    assert not coder.middles(WIDTH)[:, 8:].any()
    noise = np.random.default_rng(0).standard_normal((2_000, WIDTH - 8)).astype(np.float16)
    assert coder.lists_of(np.hstack([rows[:, :8], noise])).tolist() == coder.lists_of(rows).tolist()


def test_gains_lengthen_what_means_have_shortened(coder: Coder) -> None:
    assert (coder.gains > 1).all()


def test_rows_on_the_points_have_no_error() -> None:
    angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    middle = np.array([[1.0, 0.0]], np.float32)
    coder = Coder(middle, (circle - middle)[None], np.ones(1, np.float32), np.arange(2))
    one_list = np.zeros(16, np.int32)
    assert coder.error(circle, one_list) < 1e-12
    half_way = np.stack([np.cos(angles + np.pi / 16), np.sin(angles + np.pi / 16)], axis=1)
    assert 0.005 < coder.error(half_way, one_list) < 0.05
    assert coder.error(circle[:0], one_list[:0]) == 0


def test_error_is_of_the_codes_over_what_they_stand_for(rows: Any, coder: Coder) -> None:
    assert 0.02 < coder.error(rows, coder.lists_of(rows)) < 0.5
    other = truncate(np.random.default_rng(0).standard_normal((500, WIDTH)).astype(np.float32), WIDTH)
    # Rows of another kind fit a codebook worse: that is what drift is.
    assert coder.error(other, coder.lists_of(other)) > 1.2 * coder.error(rows, coder.lists_of(rows))


def test_codes_score_as_middle_and_lengthened_point_do(rows: Any, coder: Coder) -> None:
    """faiss sums tables of 8 bits; beside that it is the plain product."""
    lists = np.sort(coder.lists_of(rows))
    ordered = rows[np.argsort(coder.lists_of(rows), kind="stable")]
    index = coder.codes([ordered], lists)
    queries = np.ascontiguousarray(clustered(20, 2)[:, coder.order])
    index.nprobe = coder.lists
    scores, ids = index.search(queries, len(rows))
    assert (np.sort(ids, axis=1) == np.arange(len(rows))).all()
    unit = truncate(ordered.astype(np.float32), WIDTH)[:, coder.order]
    groups = (unit - coder.centroids[lists]).reshape(len(rows), 8, 1, 2)
    code = ((groups - coder.codebook) ** 2).sum(axis=3).argmin(axis=2)
    points = coder.codebook[np.arange(8), code] * coder.gains[:, None]
    stood_for = coder.centroids[lists] + points.reshape(len(rows), WIDTH)
    plain = np.take_along_axis(queries @ stood_for.T, ids, axis=1)
    assert np.abs(scores - plain).max() < 0.03
    # and so the codes are worth something: of the ten nearest rows nearly all are among the 100 best by code
    true = np.argsort(-(queries @ unit.T), axis=1)[:, :10]
    assert np.mean([np.isin(mine, best).mean() for mine, best in zip(true, ids[:, :100], strict=True)]) > 0.9


@pytest.mark.parametrize("chunk", [2_000, 333])
def test_the_bytes_do_not_depend_on_the_chunks(chunk: int, rows: Any, coder: Coder) -> None:
    lists = np.sort(coder.lists_of(rows))
    ordered = rows[np.argsort(coder.lists_of(rows), kind="stable")]
    faiss = library()
    once = faiss.serialize_index(coder.codes([ordered], lists))
    cut = coder.codes((ordered[first : first + chunk] for first in range(0, 2_000, chunk)), lists)
    assert faiss.serialize_index(cut).tobytes() == once.tobytes()


def test_saved_and_loaded(tmp_path: Path, coder: Coder) -> None:
    save_coder(coder, tmp_path)
    assert _same(load_coder(tmp_path), coder)


@pytest.mark.parametrize("spoil", [lambda file: file.unlink(), lambda file: file.write_bytes(b"x" * 200)])
def test_a_damaged_coder_says_so(spoil: Any, tmp_path: Path, coder: Coder) -> None:
    save_coder(coder, tmp_path)
    spoil(next(tmp_path.glob("codebook*")))
    with pytest.raises(StorageError, match=r"unreadable coder .*; build the index again"):
        load_coder(tmp_path)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        (GAINS, lambda values: values[:-1]),
        (ORDER, lambda values: values[:-1]),
        (ORDER, lambda values: values.astype(np.int32)),
        (CODEBOOK, lambda values: values[:, :8]),
        (CENTROIDS, lambda values: values * np.nan),
        (CENTROIDS, lambda values: values[:, 1:]),
    ],
    ids=["a gain less", "a dim less", "other type", "fewer points", "not finite", "narrow"],
)
def test_arrays_of_another_shape_are_no_coder(name: str, change: Any, tmp_path: Path, coder: Coder) -> None:
    save_coder(coder, tmp_path)
    np.save(tmp_path / name, change(np.load(tmp_path / name)))
    with pytest.raises(StorageError, match=r"unreadable coder .*; build the index again"):
        load_coder(tmp_path)
