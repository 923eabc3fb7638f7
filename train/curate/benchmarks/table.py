"""Table of benchmarks: the names that a task may use, and the function that writes each.

Recorded prompts are fetched by name; data sets of the hub also require their Parquet files.  Modules are imported at
first use, so that specs are validated without them.
"""

from collections.abc import Sequence
from pathlib import Path

from train.curate.sources.table import SOURCES

Langs = Sequence[str] | None  # of recordings or of texts; None: all that there are
NAMES = tuple(SOURCES)


def written(name: str, cache: Path, speech: Langs, texts: Langs) -> Path:
    """The folder of the named benchmark, with recordings and texts in these languages; none of a kind where empty.

    Raises InputError and DataUnavailable that say what to do.
    """
    from train.curate.benchmarks.prompts import prompts

    return prompts(name, cache, speech, texts)
