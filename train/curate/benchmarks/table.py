"""Table of benchmarks: the names that a task may use, and the function that writes each.

Recorded prompts are fetched by name; data sets of the hub are read from the Parquet files in a task's `data`.  Modules
are imported at first use, so that specs are validated without them.
"""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from train.curate.sources.table import SOURCES

HUB = ("fleurs", "minds14", "wolbanking77")  # one table, whose rows are recordings with texts
TABLES = ("kallaama",)  # three tables: queries, corpus, qrels
NAMES = (*SOURCES, *HUB, *TABLES)
WITH_DATA = (*HUB, *TABLES)
Langs = Sequence[str] | None  # of recordings or of texts; None: all that there are
Side = tuple[str, str | None]  # "speech", "text" or "any", and a language; None: all


def written(name: str, cache: Path, query: Side, document: Side, data: str = "") -> Path:
    """The folder of the named benchmark, with questions and documents of these modalities and languages.

    `data` is the url of Parquet files, for the names in `WITH_DATA`.  Raises InputError and DataUnavailable that say
    what to do.
    """
    speech, texts = (_langs(_of(one, query, document)) for one in ("speech", "text"))
    found: Path
    if name in HUB:
        found = import_module("train.curate.benchmarks.hub").hub(name, data, cache, speech, texts)
    elif name in TABLES:
        langs = query[1] or "", document[1] or ""
        found = import_module("train.curate.benchmarks.tables").tables(name, data, cache, *langs)
    else:
        found = import_module("train.curate.benchmarks.prompts").prompts(name, cache, speech, texts)
    return found


def _of(modality: str, *sides: Side) -> list[str | None]:
    """The languages of the sides that have this modality."""
    return [lang for kind, lang in sides if kind in (modality, "any")]


def _langs(given: Sequence[str | None]) -> Langs:
    """Each once; None where one side has no language."""
    return None if None in given else tuple(dict.fromkeys(lang for lang in given if lang is not None))
