"""Installation check: the packages that Python finds under our names are ours.

Another distribution may bring a package of the same name (Hugging Face's `evaluate` does); the one that was installed
last has then replaced ours, and half of the house would be missing in silence.
"""

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
                f"the package `{name}` of Deglu is {place}, not in {home / name}: another distribution brings a package"
                f" of this name; give Deglu a virtual environment of its own, or: pip uninstall {name}, then install"
                " Deglu again"
            )
