"""Benchmark of a task: one that is written by its name, a folder of BEIR's shape, or a manifest."""

from dataclasses import replace

from embed.file_kinds import unpacked_suffix
from embed.storage.cache import cache_folder
from evaluate.benchmarks.beir import read_beir
from evaluate.benchmarks.benchmark import Benchmark
from evaluate.benchmarks.manifest import read_manifest
from evaluate.spec import TaskSpec
from train.curate.benchmarks.table import NAMES, written

MANIFESTS = (".jsonl", ".csv", ".tsv", ".parquet")


def read_benchmark(task: TaskSpec) -> Benchmark:
    """The benchmark that a task names.  Raises InputError, and DataUnavailable where it cannot be fetched."""
    if task.benchmark in NAMES:
        query, _, document = task.direction.split("-")
        sides = (query, task.query_lang), (document, task.document_lang)
        folder = written(task.benchmark, cache_folder(), *sides, task.data or "")
        return replace(read_beir(str(folder)), name=task.benchmark)
    if unpacked_suffix(task.benchmark) in MANIFESTS:
        return read_manifest(task.benchmark)
    return read_beir(task.benchmark)
