"""The walls of the house: who may import whom, what lives where, and that every ready spec is valid."""

import ast
import importlib.util
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from jobs.command.doors import DOORS, load_spec

HOUSE = Path(__file__).resolve().parent.parent
ROOMS = ("embed", "index", "train", "evaluate", "jobs", "deploy")
MODULES = sorted(path.relative_to(HOUSE) for room in ROOMS for path in (HOUSE / room).rglob("*.py"))
SPECS = sorted((HOUSE / "deploy" / "specs").glob("*.yaml"))

# Which rooms a room may import; itself always.
MAY_IMPORT = {
    "embed": set(),
    "index": {"embed"},
    "train": {"embed"},
    "evaluate": {"index", "embed", "train"},
    "jobs": {"embed", "index", "train", "evaluate"},
    "deploy": set(),
}
# What the index may know of embed: the contracts at its top, storage and datasets; no model.
EMBED_FOR_INDEX = ("embed/storage/", "embed/dataset/", "embed/check.py")
# Which folders a folder may import, besides itself and the top of its room.  One way: there is no circle.
FOLDERS: dict[str, set[str]] = {
    "embed/storage/http": set(),
    "embed/storage": {"embed/storage/http"},
    "embed/text": {"embed/storage"},
    "embed/audio/ffmpeg": set(),
    "embed/audio": {"embed/audio/ffmpeg", "embed/storage", "embed/text"},
    "embed/archive/metadata": {"embed/storage", "embed/text"},
    "embed/archive/tars": {"embed/audio", "embed/storage", "embed/text"},
    "embed/archive/feeds": {"embed/storage"},
    "embed/archive": {
        "embed/archive/feeds",
        "embed/archive/metadata",
        "embed/archive/tars",
        "embed/audio",
        "embed/storage",
        "embed/text",
    },
    "embed/model/plain": {"embed/storage"},
    "embed/model/packaged": {"embed/storage"},
    "embed/model/towers": {"embed/model/packaged", "embed/model/plain", "embed/storage"},
    "embed/model/recognition": {"embed/model/towers"},
    "embed/model": {"embed/model/recognition", "embed/model/towers", "embed/storage"},
    "embed/fingerprints": set(),
    "embed/segmentation": {
        "embed/archive",
        "embed/audio",
        "embed/fingerprints",
        "embed/model",
        "embed/model/packaged",
        "embed/text",
    },
    "embed/dataset": {"embed/archive", "embed/segmentation", "embed/storage"},
    "embed/repeats": {"embed/dataset", "embed/fingerprints", "embed/storage"},
    "embed/exports": {"embed/dataset", "embed/storage"},
    "embed/verify": {"embed/dataset", "embed/segmentation", "embed/storage"},
    "index/parts": set(),
    "index/rungs": {"index/parts"},
    "index/calibration": {"index/parts", "index/rungs"},
    "index/building": {"index/calibration", "index/parts", "index/rungs"},
    "index/audit": {"index/calibration", "index/parts", "index/rungs"},
    "index/ask": {"index/audit", "index/calibration", "index/parts", "index/rungs"},
    "index/live": {"index/building", "index/calibration", "index/parts", "index/rungs"},
    "index/serve/routes": set(),
    "index/serve": {"index/ask", "index/parts", "index/serve/routes"},
    "train/curate/packages": set(),
    "train/curate/synthesis": {"train/curate/packages"},
    "train/curate/filters": set(),
    "train/curate/sources": {"train/curate/packages", "train/curate/synthesis"},
    "train/curate/benchmarks": {"train/curate", "train/curate/packages", "train/curate/sources"},
    "train/curate": {"train/curate/filters", "train/curate/sources", "train/curate/synthesis"},
    "train/frozen": {"train/curate", "train/curate/sources"},
    "train/strategies": {"train/curate", "train/frozen"},
    "train/fit": set(),
    "evaluate/intents": {"evaluate/measures"},
    "evaluate/measures": set(),
    "evaluate/cost": set(),
    "evaluate/ranks": {"evaluate/measures"},
    "evaluate/robustness": {"evaluate/measures"},
    "evaluate/report": {
        "evaluate/cost",
        "evaluate/intents",
        "evaluate/measures",
        "evaluate/ranks",
        "evaluate/robustness",
    },
    "evaluate/runs": {"evaluate/measures"},
    "evaluate/benchmarks": {"evaluate/runs"},
    "jobs/command": set(),
    "jobs/cluster": {"jobs/command"},
    "jobs/operate": {"jobs/command"},
    "jobs/asking": {"jobs/command"},
    "jobs/indexing": {"jobs/cluster", "jobs/command"},
    "jobs/embedding": {"jobs/cluster", "jobs/command", "jobs/operate"},
    "jobs/training": {"jobs/cluster", "jobs/command"},
    "jobs/planning": {"jobs/command", "jobs/embedding", "jobs/operate", "jobs/training"},
    "jobs/evaluation": {"jobs/command"},
    "jobs/serving": {"jobs/asking", "jobs/command"},
    "jobs/demo": {"jobs/command", "jobs/embedding", "jobs/indexing"},
}
# Contracts at the top of a folder, which the folders inside it may import too.
CONTRACTS = {
    "embed/archive": {"inputs", "sound_tables", "spellings", "utterance_lists"},
    "embed/storage": {"entry", "range_stream", "retry"},
    "embed/audio": {"mix", "stream"},
    "embed/model": {"spec"},
    "index/serve": {"access", "metrics", "problems", "recordings", "searches", "service", "shapes"},
    "train/curate": {"clip", "dropped", "split"},
}
MOST_MODULES = 16  # in a folder, without its __init__.py

# Where a library may be imported; a name ending in / is a folder.
HOMES = {
    "ray": ("jobs/", "evaluate/bench/"),
    "fsspec": ("embed/storage/s3.py", "embed/storage/errors.py", "evaluate/bench/"),
    "s3fs": ("embed/storage/s3.py", "embed/storage/errors.py", "evaluate/bench/"),
    "botocore": ("embed/storage/s3.py", "embed/storage/errors.py", "evaluate/bench/"),
    "faiss": ("index/", "evaluate/bench/"),
    "fastapi": ("index/serve/",),
    "starlette": ("index/serve/",),
    "uvicorn": ("jobs/serving/", "evaluate/bench/"),
    "typer": ("jobs/",),
    "urllib3": ("embed/storage/http/",),
    "rich": ("jobs/",),
}

# Prefixes of the urls of remote storage, and where they may be used; the address of a cluster is an url, too.
PREFIXES = ("s3://", "http://", "https://")
ASK_BY_PREFIX = ("embed/storage/", "jobs/cluster/submit_job.py")

# Doors and drivers that load a model, where they need one, in another process or late.
LIGHT = (
    "jobs/asking/query_index.py",
    "jobs/embedding/embed_archive.py",
    "jobs/embedding/encode_worker.py",
    "jobs/embedding/preparation.py",
    "jobs/embedding/retry_failures.py",
    "jobs/indexing/build_index.py",
    "jobs/indexing/update_index.py",
    "jobs/planning/left.py",
    "jobs/planning/plan_archive.py",
    "jobs/training/event_channel.py",
)


@cache
def tree(module: Path) -> ast.Module:
    return ast.parse((HOUSE / module).read_text(encoding="utf-8"))


@cache
def imports(module: Path) -> tuple[str, ...]:
    """Every dotted name that a module imports, at its top or inside a function."""
    return tuple(_imports(module))


def _imports(module: Path) -> Iterator[str]:
    for node in _statements(tree(module)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            base = node.module or ""
            yield from (f"{base}.{name.name}" for name in node.names)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Of a module, a block, a handler or a case: the statements inside, at any depth; no expressions, for speed."""
    for field in ("body", "handlers", "orelse", "finalbody", "cases"):
        for inner in getattr(node, field, ()):
            yield inner
            yield from _statements(inner)


def lives_in(module: Path, homes: tuple[str, ...]) -> bool:
    return any(str(module).startswith(home) if home.endswith("/") else str(module) == home for home in homes)


def test_import_arrows() -> None:
    wrong = [line for module in MODULES for line in _wrong_imports(module)]
    assert not wrong, "\n".join(wrong)


def _wrong_imports(module: Path) -> Iterator[str]:
    room = module.parts[0]
    if module.is_relative_to("evaluate/bench"):
        return  # the leaf that may import anything
    for name in imports(module):
        other = name.partition(".")[0]
        if other in ROOMS and other != room and other not in MAY_IMPORT[room]:
            yield f"{module} imports {name}: {room} may not import {other}"
        if room == "index" and other == "embed" and not _is_for_index(name):
            yield f"{module} imports {name}: the index may import contracts, storage and datasets only"
        if other in HOMES and not lives_in(module, HOMES[other]):
            yield f"{module} imports {name}, which belongs to {', '.join(HOMES[other])}"


@pytest.mark.slow
def test_storage_alone_knows_which_kinds_there_are() -> None:
    """Everybody else asks `store.local_path(url)`."""
    asking = [str(module) for module in MODULES if not lives_in(module, ASK_BY_PREFIX) and _asks_for_storage(module)]
    assert not asking, f"ask embed.storage.store.local_path: {', '.join(asking)}"


def _asks_for_storage(module: Path) -> bool:
    """Whether it imports the backend, or compares with or builds on the bare prefix of its urls."""
    prefixed = any(isinstance(node, ast.Constant) and node.value in PREFIXES for node in ast.walk(tree(module)))
    return prefixed or any(name.startswith(("embed.storage.s3", "embed.storage.http")) for name in imports(module))


def _is_for_index(name: str) -> bool:
    """Whether a dotted name is of a file at the top of embed, or of a folder that the index may use."""
    if (HOUSE / "embed" / f"{[*name.split('.'), ''][1]}.py").is_file():
        return True
    return any(f"{name.replace('.', '/')}/".startswith(known.removesuffix(".py")) for known in EMBED_FOR_INDEX)


def test_folders_import_one_way() -> None:
    wrong = [
        f"{module} imports {name}" for module in MODULES for name in imports(module) if not _is_allowed(module, name)
    ]
    assert not wrong, "\n".join(wrong)
    tuple(TopologicalSorter(FOLDERS).static_order())  # raises CycleError


def _is_allowed(module: Path, name: str) -> bool:
    """Whether a folder may import what a dotted name is of; names of another room are not judged here."""
    here, there = module.parent, _file_of(name)
    if module.is_relative_to("evaluate/bench") or there is None or there.parts[0] != module.parts[0]:
        return True
    if len(module.parts) == 2 or there.parent in (here, Path(there.parts[0])):
        return True
    if there.parent in here.parents and there.stem in CONTRACTS.get(str(there.parent), ()):
        return True
    return str(there.parent) in FOLDERS[str(here)]


@cache
def _file_of(name: str) -> Path | None:
    """Of a dotted name, the module of ours that it is or that defines it."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        for file in (Path(*parts[:end]).with_suffix(".py"), Path(*parts[:end]) / "__init__.py"):
            if parts[0] in ROOMS and (HOUSE / file).is_file():
                return file
    return None


def test_every_folder_is_in_the_table_and_can_be_read_at_a_glance() -> None:
    inside = Counter(str(m.parent) for m in MODULES if m.stem != "__init__" and m.parts[0] != "deploy")
    listed = {folder for folder in inside if folder.count("/") and not f"{folder}/".startswith("evaluate/bench/")}
    assert listed == set(FOLDERS)
    full = {folder: count for folder, count in inside.items() if count > MOST_MODULES}
    assert not full, f"at most {MOST_MODULES} modules in a folder: {full}"


def test_the_listing_leads_to_the_file() -> None:
    """CONTRIBUTING names a file for each typical change; it has what is to be extended, and its test is next to it."""
    text = (HOUSE / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Adding a ...")[2]
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| ")][2:]
    assert len(rows) >= 12
    for what, opened, extended, tested in rows:
        file, *_ = re.findall(r"`([^`]+)`", opened)
        assert (HOUSE / file).is_file(), f"{what}: {file} is missing"
        for name in re.findall(r"`([^`]+)`", extended):
            assert re.search(rf"\b{re.escape(name)}\b", (HOUSE / file).read_text(encoding="utf-8")), (
                f"{file}: no {name}"
            )
        for test in re.findall(r"`([^`]+)`", tested):
            assert (HOUSE / test).is_file(), f"{what}: {test} is missing"


def test_the_arrows_would_be_seen() -> None:
    """The reading of imports sees all the forms that are used."""
    found = set(imports(Path("jobs/cluster/submit_job.py")))
    assert {"requests", "jobs.command.output.Plain", "ray.job_submission.JobSubmissionClient"} <= found
    assert not _is_allowed(Path("jobs/operate/status.py"), "jobs.cluster.ray_session.ray_session")
    assert not _is_allowed(Path("embed/model/towers/text.py"), "embed.model.joint.JointEncoder")
    assert not _is_allowed(Path("index/parts/local.py"), "index.ask.searcher")


def test_a_module_says_what_it_is() -> None:
    silent = [str(module) for module in MODULES if not _says_what_it_is(module)]
    assert not silent, f"begin with one sentence: {', '.join(silent)}"
    vague = [str(m) for m in MODULES if m.stem in ("common", "utils", "util", "helpers", "misc")]
    assert not vague, f"name it for its content: {', '.join(vague)}"


def _says_what_it_is(module: Path) -> bool:
    return not tree(module).body or bool(ast.get_docstring(tree(module)))


def test_no_module_of_jobs_hides_a_package() -> None:
    names = {part for module in MODULES if module.parts[0] == "jobs" for part in (*module.parts[1:-1], module.stem)}
    assert not names & {*ROOMS, *HOMES, *sys.stdlib_module_names}


@pytest.mark.slow
def test_what_encodes_nothing_loads_no_torch() -> None:
    """Beside the index: what drives, cuts, folds and carries messages starts in a second, and is many processes."""
    light = [
        *(module for module in MODULES if module.parts[0] == "index"),
        *(Path(name) for name in LIGHT),
    ]
    modules = [".".join(module.with_suffix("").parts) for module in light]
    probe = (
        f"import importlib, sys; print([m for m in {modules} if importlib.import_module(m) and 'torch' in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", probe], cwd=HOUSE, capture_output=True, text=True, timeout=120
    )
    assert done.stdout == "[]\n", done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("room", [room for room in ROOMS if room != "deploy"])
def test_a_room_is_ours(room: str) -> None:
    """Another distribution that brings a package of the same name (evaluate does) is never installed beside."""
    found = importlib.util.find_spec(room)
    assert found is not None
    assert found.origin == str(HOUSE / room / "__init__.py")
    assert set(packages_distributions().get(room, ())) <= {"deglu"}


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.name)
def test_a_ready_spec_is_valid(path: Path) -> None:
    """`embed-demo.yaml` is a spec of `deglu embed`, and so on."""
    verb = path.name.partition("-")[0].removesuffix(".yaml")
    assert verb in DOORS, f"{path.name}: name it <verb>-<what>.yaml; the verbs are {', '.join(DOORS)}"
    load_spec(verb, str(path))
