"""The faiss library, imported only here: the CPU or the GPU package, with a clear error where its install is broken."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any, Literal

from embed.errors import DegluError, InputError

Device = Literal["auto", "cpu", "gpu"]


@cache
def library() -> ModuleType:
    """The faiss module.  Raises DegluError where it is missing or cannot load."""
    try:
        import faiss
    except (ImportError, RuntimeError) as error:  # faiss-gpu without its CUDA libraries raises RuntimeError
        reason = " ".join(str(error).split())
        raise DegluError(
            f"faiss cannot be loaded ({reason}); install one of deglu[cpu] and deglu[gpu] into a fresh environment"
        ) from None
    return faiss


def gpu_available() -> bool:
    """Whether this faiss can use a GPU, and there is one."""
    faiss = library()
    return hasattr(faiss, "StandardGpuResources") and faiss.get_num_gpus() > 0


def use_gpu(device: Device) -> bool:
    """Whether to use a GPU for this `device`.  Raises InputError where a GPU is required and there is none."""
    if device == "gpu" and not gpu_available():
        raise InputError("device gpu: faiss sees no GPU here; install deglu[gpu] on a CUDA machine, or use device=cpu")
    return device != "cpu" and gpu_available()


@cache
def _resources() -> Any:
    """Resources of the first GPU, once in a process: each takes one or two gigabytes of its memory."""
    return library().StandardGpuResources()


def half_flat(width: int) -> Any:
    """An empty inner-product index in float16 on the first GPU; only one thread at a time may use any of them."""
    faiss = library()
    config = faiss.GpuIndexFlatConfig()
    config.useFloat16 = True
    return faiss.GpuIndexFlatIP(_resources(), width, config)


@contextmanager
def single_thread() -> Iterator[None]:
    """faiss computes on this thread only: sums have one order, so the same rows give the same codes."""
    faiss = library()
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
