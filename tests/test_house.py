"""The walls of the house: who may import whom, what lives where, and that every ready spec is valid."""

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
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
# Where a library may be imported; a name ending in / is a folder.
HOMES = {
    "ray": ("jobs/", "evaluate/bench/"),
    "fsspec": ("embed/storage/s3.py", "embed/storage/errors.py", "evaluate/bench/"),
    "s3fs": ("embed/storage/s3.py", "embed/storage/errors.py", "evaluate/bench/"),
    "botocore": ("embed/storage/s3.py", "embed/storage/errors.py", "evaluate/bench/"),
    "faiss": ("index/", "evaluate/bench/"),
    "typer": ("jobs/",),
    "rich": ("jobs/",),
}

# Doors and drivers that load a model, where they need one, in another process or late.
LIGHT = (
    "jobs/asking/query_index.py",
    "jobs/embedding/embed_archive.py",
    "jobs/embedding/encode_worker.py",
    "jobs/indexing/build_index.py",
    "jobs/indexing/update_index.py",
    "jobs/training/postbox.py",
)


def imports(module: Path) -> Iterator[str]:
    """Every dotted name that a module imports, at its top or inside a function."""
    for node in ast.walk(ast.parse((HOUSE / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            base = node.module or ""
            yield from (f"{base}.{name.name}" for name in node.names)


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


def test_storage_alone_knows_which_kinds_there_are() -> None:
    """Everybody else asks `store.local_path(url)`."""
    asking = [str(module) for module in MODULES if not lives_in(module, ("embed/storage/",)) and _asks_for_s3(module)]
    assert not asking, f"ask embed.storage.store.local_path: {', '.join(asking)}"


def _asks_for_s3(module: Path) -> bool:
    """Whether it imports the backend, or compares with or builds on the bare prefix of its urls."""
    tree = ast.parse((HOUSE / module).read_text(encoding="utf-8"))
    prefixed = any(isinstance(node, ast.Constant) and node.value == "s3://" for node in ast.walk(tree))
    return prefixed or any(name.startswith("embed.storage.s3") for name in imports(module))


def _is_for_index(name: str) -> bool:
    """Whether a dotted name is of a file at the top of embed, or of a folder that the index may use."""
    if (HOUSE / "embed" / f"{[*name.split('.'), ''][1]}.py").is_file():
        return True
    return any(f"{name.replace('.', '/')}/".startswith(known.removesuffix(".py")) for known in EMBED_FOR_INDEX)


def test_the_arrows_would_be_seen() -> None:
    """The reading of imports sees all the forms that are used."""
    found = set(imports(Path("jobs/cluster/submit_job.py")))
    assert {"requests", "jobs.command.output.Plain", "ray.job_submission.JobSubmissionClient"} <= found


def test_a_module_says_what_it_is() -> None:
    silent = [str(module) for module in MODULES if not _says_what_it_is(module)]
    assert not silent, f"begin with one sentence: {', '.join(silent)}"
    vague = [str(m) for m in MODULES if m.stem in ("common", "utils", "util", "helpers", "misc")]
    assert not vague, f"name it for its content: {', '.join(vague)}"


def _says_what_it_is(module: Path) -> bool:
    tree = ast.parse((HOUSE / module).read_text(encoding="utf-8"))
    return not tree.body or bool(ast.get_docstring(tree))


def test_no_module_of_jobs_hides_a_package() -> None:
    names = {part for module in MODULES if module.parts[0] == "jobs" for part in (*module.parts[1:-1], module.stem)}
    assert not names & {*ROOMS, *HOMES, *sys.stdlib_module_names}


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
