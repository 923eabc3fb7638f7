"""The walls of the house: who may import whom, what lives where, and that every ready spec is valid."""

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from jobs.doors import DOORS, load_spec

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
# What the index may know of embed: contracts and storage, no model.
EMBED_FOR_INDEX = {
    *("embed.errors", "embed.spec", "embed.identity", "embed.tables", "embed.encoder"),
    *("embed.store", "embed.store_errors", "embed.dataset", "embed.manifest", "embed.cache", "embed.scratch"),
}
# Where a library may be imported; a name ending in / is a folder.
HOMES = {
    "ray": ("jobs/", "evaluate/bench/"),
    "fsspec": ("embed/s3_files.py", "embed/store_errors.py", "evaluate/bench/"),
    "s3fs": ("embed/s3_files.py", "embed/store_errors.py", "evaluate/bench/"),
    "botocore": ("embed/s3_files.py", "embed/store_errors.py", "evaluate/bench/"),
    "faiss": ("index/", "evaluate/bench/"),
    "typer": ("jobs/",),
    "rich": ("jobs/",),
}

# Doors and drivers that load a model, where they need one, in another process or late.
LIGHT = ("ask_index", "build_index", "embed_archive", "encode_worker", "postbox", "update_index")


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


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_import_arrows(module: Path) -> None:
    room = module.parts[0]
    if module.is_relative_to("evaluate/bench"):
        return  # the leaf that may import anything
    for name in imports(module):
        other = name.partition(".")[0]
        if other in ROOMS and other != room:
            assert other in MAY_IMPORT[room], f"{module} imports {name}: {room} may not know {other}"
        if room == "index" and other == "embed":
            assert name == "embed" or any(name == known or name.startswith(f"{known}.") for known in EMBED_FOR_INDEX), (
                f"{module} imports {name}: the index knows contracts and storage only"
            )
        if other in HOMES:
            assert lives_in(module, HOMES[other]), f"{module} imports {name}, which lives in {', '.join(HOMES[other])}"


def test_the_arrows_would_be_seen() -> None:
    """The reading of imports sees all the forms that are used."""
    found = set(imports(Path("jobs/submit_job.py")))
    assert {"requests", "jobs.output.Plain", "ray.job_submission.JobSubmissionClient"} <= found


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_says_what_it_is(module: Path) -> None:
    tree = ast.parse((HOUSE / module).read_text(encoding="utf-8"))
    assert not tree.body or ast.get_docstring(tree), f"{module} opens with one sentence"
    assert module.stem not in ("common", "utils", "util", "helpers", "misc"), f"{module}: name it for what it holds"


def test_no_module_of_jobs_hides_a_package() -> None:
    names = {module.stem for module in MODULES if module.parent == Path("jobs")}
    assert not names & {*ROOMS, *HOMES, *sys.stdlib_module_names}


def test_what_encodes_nothing_loads_no_torch() -> None:
    """Beside the index: what drives, cuts, folds and carries messages starts in a second, and is many processes."""
    light = [
        *(module for module in MODULES if module.parts[0] == "index"),
        *(Path(f"jobs/{name}.py") for name in LIGHT),
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
