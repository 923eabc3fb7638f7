"""Commands that Deglu prints as a cure or next step, and those of its documents: each is right when run as printed."""

import ast
import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
import typer

from embed.dataset.publish import publish
from embed.dataset.runs import begin_run, keep_passed_over, keep_plan, write_run
from embed.tables import PASSED_OVER
from jobs.__main__ import run
from jobs.command.cli import VERBS, app, deglu
from jobs.command.doors import DOORS, load_spec, verb_of
from jobs.command.export_verbs import model, vectors
from jobs.command.filters import failure_filter, passed_over_filter, row_filter
from tests.embed.vectors import begin, commit, commit_failed, manifest

HOUSE = Path(__file__).resolve().parents[3]
ROOMS = ("embed", "index", "train", "evaluate", "jobs")
MODULES = [path for room in ROOMS for path in sorted((HOUSE / room).rglob("*.py")) if "bench" not in path.parts]
DOCUMENTS = [HOUSE / "README.md", HOUSE / "CONTRIBUTING.md", HOUSE / "deploy" / "README.md"]
NAMES = {verb.__name__ for verb in VERBS}
OURS = re.compile(rf"(?:\S*/)?deglu (?:{'|'.join(NAMES)})\b")
PROGRAMS = re.compile(r"(?:[A-Z_]+=\S+ )*(?:\S*/)?(?:deglu|ray|make|python -m)\s")
ANY_PROGRAM = re.compile(r"\b(?:deglu|ray|make|python -m)\b")


def messages(path: Path) -> Iterator[str]:
    """Texts of a module that are no docstrings, with PLACE for what is filled in."""
    text = path.read_text(encoding="utf-8")
    return texts_in(ast.parse(text)) if ANY_PROGRAM.search(text) else iter(())


def texts_in(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "PLACE" for part in node.values)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
        for part in ast.iter_child_nodes(node):
            yield from texts_in(part)


def printed(text: str) -> Iterator[str]:
    """Commands in a message: in backticks, or the rest of its line.  A bare name in backticks, as `deglu embed`, may be
    the subject of a sentence, where nothing asks to run it."""
    quoted = re.compile("(run |with |then )?`([^`\n]+)`")
    for asked, command in quoted.findall(text):
        if PROGRAMS.match(f"{command} ") and (asked or len(command.split()) > 2):
            yield command
    for line in quoted.sub("", text).splitlines():
        if found := OURS.search(line):
            yield line[found.start() :]


def shown(text: str) -> Iterator[str]:
    """Commands of a page: the lines of its shell blocks."""
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        yield from block.replace("\\\n", " ").splitlines()


def examples(document: str) -> Iterator[str]:
    """Commands of a verb's help: a line each, with an explanation after several blanks."""
    for line in document.splitlines():
        if re.match(r"\s+deglu [a-z]+ ", line):
            yield re.split(r"(?<=\S)\s{3,}", line.strip())[0]


PAGES = {path.name if path.parent == HOUSE else "runbook": path.read_text(encoding="utf-8") for path in DOCUMENTS}
NAMED = ("messages", "pages", "runbook", "help")


@pytest.fixture(scope="module")
def commands() -> dict[str, set[tuple[str, str]]]:
    """By where they are printed: the file, and the command."""
    runbook = re.sub("```.*?```", "", PAGES["runbook"], flags=re.DOTALL)
    found = (
        {(str(path.relative_to(HOUSE)), one) for path in MODULES for text in messages(path) for one in printed(text)},
        {(name, one) for name, page in PAGES.items() for one in shown(page) if PROGRAMS.match(one)},
        {("runbook", one) for one in printed(runbook)},
        {("help", one) for verb in (*VERBS, vectors, model, deglu) for one in examples(str(verb.__doc__))},
    )
    return dict(zip(NAMED, found, strict=True))


def test_they_are_found(commands: dict[str, set[tuple[str, str]]]) -> None:
    """The scan sees what it must: a change of wording may not blind it."""
    found = "\n".join(command for some in commands.values() for _, command in some)
    for command in (
        "deglu failures PLACE", "deglu forget PLACE --compact", "deglu verify PLACE", "deglu index SPEC --append",
        "deglu retry SPEC", "deglu embed SPEC --set output=ANOTHER", "ray job stop JOB --address", "ray start --head",
        "deglu query PLACE --text ANY --json", "make demo", "deglu failures --skipped PLACE",
    ):  # fmt: skip
        assert command in found
    assert len(commands["messages"]) > 20


@pytest.mark.parametrize("where", NAMED)
def test_its_command_line_takes_it(where: str, commands: dict[str, set[tuple[str, str]]]) -> None:
    wrong = [
        f"{place}: `{command}`: {cause}" for place, command in sorted(commands[where]) if (cause := fault(command))
    ]
    assert not wrong, "\n".join(wrong)


def fault(command: str) -> str:
    """Why it cannot be run as printed; empty if it can."""
    try:
        check(command)
    except (Exception, SystemExit) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def check(command: str) -> None:
    words = [word for word in shlex.split(command, comments=True) if not re.match(r"[A-Z_]+=", word)]
    program = words.pop(0).rpartition("/")[2]
    if program == "deglu":
        check_ours(words)
    elif program == "ray":
        check_of_ray(words)
    elif program == "python":
        assert words[0] != "-m" or importlib.util.find_spec(words[1])
    else:
        assert program == "make"
        assert re.search(rf"^{words[0]}:", (HOUSE / "Makefile").read_text(), re.MULTILINE)


def check_ours(words: list[str]) -> None:
    """The verb takes the words; a spec that exists is valid with the overrides, and a filter with its columns."""
    verb, *arguments = words
    if verb.startswith("-") or verb == "VERB":
        return
    command = typer.main.get_command(app).commands[verb]  # type: ignore[attr-defined]
    given = command.make_context(verb, list(arguments)).params
    spec, name = given.get("spec"), given.get("verb") or verb
    if isinstance(spec, list):  # `evaluate` takes several where runs are compared
        assert given["compare"] or given["runs"] or len(spec) == 1
        spec = spec[0]
    if spec and (HOUSE / spec).exists():
        kind = verb_of(str(HOUSE / spec)) if verb in ("plan", "doctor") else name
        assert load_spec(kind, str(HOUSE / spec), given["overrides"] or ())
    if (where := given.get("where")) and where != "...":
        by_verb = {"query": row_filter, "failures": failure_filter, "retry": failure_filter}
        (passed_over_filter if given.get("skipped") else by_verb[verb])(where)
    row_filter(given.get("delete"), "--delete")
    if verb == "query":
        assert sum(given[name] is not None for name in ("text", "audio", "batch")) == 1
    assert verb not in DOORS or spec


def check_of_ray(words: list[str]) -> None:
    from ray.scripts.scripts import cli

    command = cli
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    command.make_context("ray", words)


def test_what_a_dataset_prints_is_run_as_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a dataset in a folder whose name has blanks and quotes."""
    url = str(tmp_path / "the radio's $HOME; 2026")
    job = begin(url)
    commit(job, "a", "one")
    commit_failed(job, "b", "no sound")
    publish(job, manifest("a", "b"))
    commit_failed(job, "c", "cut off")
    files = pa.table([["in/1.jpg"], ["picture"]], schema=PASSED_OVER)
    kept = {"plan": keep_plan(job.url, manifest("a")), "passed_over_list": keep_passed_over(job.url, files)}
    write_run(job.url, begin_run(1).model_copy(update={**kept, "passed_over": {"picture": 1}, "failures": 1}))
    seen = set()
    for first in (["status", url], ["forget", url, "--asset", "demo/a"]):
        assert run(first) == 0
        for command in {one for line in capsys.readouterr().out.splitlines() for one in printed(line)}:
            words = shlex.split(command)
            assert url in words
            assert run(words[1:]) == 0, command
            assert url in capsys.readouterr().out
            seen.add(" ".join(word for word in words if word != url))
    assert seen == {"deglu failures", "deglu failures --skipped", "deglu forget --compact"}
