"""The door to faiss: a broken installation and a missing GPU each say so in one line."""

import sys
from importlib.abc import MetaPathFinder
from typing import Any

import numpy as np
import pytest

from embed.errors import DegluError, InputError
from index import faiss_library


class _Broken(MetaPathFinder):
    def __init__(self, error: Exception) -> None:
        self.error = error

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name == "faiss":
            raise self.error


@pytest.mark.parametrize(
    "error",
    [RuntimeError("faiss-gpu installed but nvidia-cuda-runtime-cu12 is missing"), ImportError("No module named faiss")],
    ids=["half installed", "missing"],
)
def test_a_faiss_that_does_not_load(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "faiss", raising=False)
    monkeypatch.setattr(sys, "meta_path", [_Broken(error), *sys.meta_path])
    faiss_library.library.cache_clear()
    try:
        with pytest.raises(DegluError, match=f"faiss cannot be loaded .{error}.; install one of deglu"):
            faiss_library.library()
    finally:
        faiss_library.library.cache_clear()


def test_cpu_is_always_there() -> None:
    assert not faiss_library.use_gpu("cpu")
    assert faiss_library.use_gpu("auto") == faiss_library.gpu_available()


@pytest.mark.skipif(faiss_library.gpu_available(), reason="there is a GPU")
def test_a_gpu_demanded_where_there_is_none() -> None:
    with pytest.raises(InputError, match=r"faiss sees no GPU here; .*device=cpu"):
        faiss_library.use_gpu("gpu")


def test_one_thread_inside_and_as_many_as_before_outside() -> None:
    faiss = faiss_library.library()
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(2)
    try:
        with faiss_library.single_thread():
            assert faiss.omp_get_max_threads() == 1
        assert faiss.omp_get_max_threads() == 2
    finally:
        faiss.omp_set_num_threads(before)


@pytest.mark.gpu
@pytest.mark.skipif(not faiss_library.gpu_available(), reason="no GPU")
def test_a_half_precision_index_on_a_gpu() -> None:
    index = faiss_library.half_flat(64)
    index.add(np.eye(64, dtype=np.float32))
    assert index.search(np.eye(64, dtype=np.float32), 1)[1][:, 0].tolist() == list(range(64))
