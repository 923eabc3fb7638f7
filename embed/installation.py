"""Installation of Deglu: its version and code, and whether the packages that Python imports by its names are its own.

Another distribution may have a package of the same name (Hugging Face's `evaluate` does); if it was installed last, it
has replaced Deglu's, and half of Deglu would be missing without any message.
"""

import hashlib
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from embed.errors import DegluError

PACKAGES = ("embed", "index", "train", "evaluate", "jobs")
HOME = Path(__file__).resolve().parents[1]


def check_packages(home: Path = HOME) -> None:
    """Raise DegluError where one of our five packages is not the one next to this file; nothing is imported."""
    for name in PACKAGES:
        found = find_spec(name)
        origin = Path(found.origin).resolve() if found and found.origin else None
        if origin != home / name / "__init__.py":
            place = f"found in {origin.parent}" if origin else "missing"
            raise DegluError(
                f"the package `{name}` of Deglu is {place}, not in {home / name}: another distribution has a package"
                f" of this name; install Deglu in its own virtual environment, or: pip uninstall {name}, then install"
                " Deglu again"
            )


@cache
def installed(home: Path = HOME) -> str:
    """Version and digest of the code, `0.1.0 (3f9a2c1e)`: of one version there may be code of several days."""
    code = hashlib.blake2b(digest_size=4)
    for name in PACKAGES:
        for path in sorted((home / name).rglob("*.py")):
            code.update(str(path.relative_to(home)).encode() + b"\0" + path.read_bytes())
    return f"{version('deglu')} ({code.hexdigest()})"
