"""Report of one machine for `deglu doctor`: what it is, and how it does in the handshake of a job."""

import os
import platform
import shutil
import socket
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from embed.errors import DegluError
from embed.installation import installed
from embed.storage.cache import cache_folder
from jobs.cluster.handshake import NO_GPU, Terms, prove

# Packages that read recordings and texts, compute vectors, and store them: other versions may give other results.
PACKAGES = ("av", "numpy", "onnxruntime", "pyarrow", "ray", "soundfile", "soxr", "tokenizers", "torch", "transformers")
HIDDEN = "CUDA_VISIBLE_DEVICES"  # Ray sets it to "" for a task that takes no GPU


def report_here(terms: Terms, gpu: bool | None = None) -> dict[str, Any]:
    """Of this machine, as plain JSON values; `gpu` is whether Ray offers one here, None where Ray is not asked."""
    device, fault = ("cpu", "") if gpu is False else _device(bool(gpu))
    return {
        "machine": socket.gethostname(),
        "deglu": installed(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "device": device,
        "cores": os.cpu_count(),
        "memory_available_bytes": _available_bytes(),
        "disk_free_bytes": shutil.disk_usage(tempfile.gettempdir()).free,
        **_cache(),
        "proofs": {**prove(terms), "device": fault},
    }


def _device(is_offered: bool) -> tuple[str, str]:
    """What torch finds, and the fault where Ray offers a GPU that it does not find."""
    if os.environ.get(HIDDEN) == "":
        del os.environ[HIDDEN]
    import torch  # here: it takes seconds, and machines without a GPU need it not

    if torch.cuda.is_available():
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name(0)}", ""
    return "cpu", NO_GPU if is_offered else ""


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def _available_bytes() -> int | None:
    """Memory that may be used without swapping; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")), None)


def _cache() -> dict[str, Any]:
    """The cache folder and its free bytes, or why it cannot be used: only models at urls require it."""
    try:
        folder = cache_folder()
        if not os.access(folder, os.W_OK):
            raise PermissionError(f"{folder}: cannot be written; set DEGLU_CACHE to a writable folder")
        return {"cache": str(folder), "cache_free_bytes": shutil.disk_usage(folder).free}
    except (DegluError, OSError) as error:
        return {"cache": str(error), "cache_free_bytes": 0}
