"""The command line at its door: verbs, help, exit codes, streams."""

import json
import os
import pty
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.__main__ import run
from jobs.command import cli, doors

VERBS = (
    "demo", "train", "plan", "embed", "retry", "index", "evaluate", "query", "serve", "submit", "doctor", "failures",
    "repeats", "verify", "forget", "status", "card",
)  # fmt: skip
BEHIND = """
from embed.amount import Amount
from embed.errors import DegluError
from embed.base_spec import Spec
from jobs.command.output import Plain

class NoColour(DegluError):
    exit_code = 4

class HouseSpec(Spec):
    rooms: int
    colour: str = "white"

def build(spec, progress, new_version=False):
    progress.begin_archive("build", Amount(units=spec.rooms), Amount())
    progress.advance(spec.rooms, failures=1)
    if spec.colour == "none":
        raise NoColour("a house needs a colour;\\n choose one")
    if spec.colour == "broken":
        raise ValueError("not meant to happen")
    if spec.colour == "stopped":
        raise KeyboardInterrupt
    return Plain({"rooms": spec.rooms}, f"{spec.rooms} rooms", 3)
"""


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """`deglu embed` opens a small door of ours; the path of its spec."""
    (tmp_path / "behind_the_door.py").write_text(BEHIND)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "behind_the_door", raising=False)
    door = doors.Door("behind_the_door:HouseSpec", "behind_the_door:build", reports=True)
    monkeypatch.setitem(doors.DOORS, "embed", door)
    spec = tmp_path / "house.yaml"
    spec.write_text("rooms: 4\n")
    return str(spec)


def test_results_go_to_stdout_and_progress_to_stderr(house: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["embed", house, "--set", "rooms=5"]) == 3
    out, err = capsys.readouterr()
    assert out == "5 rooms\n"
    assert err.splitlines()[-1].startswith("build: 5/5 units · 100 % · 1 failure")


def test_json_is_one_document(house: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["embed", house, "--json"]) == 3
    assert json.loads(capsys.readouterr().out) == {"rooms": 4}


def test_dry_run_shows_the_spec_with_its_defaults(house: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["embed", house, "--dry-run", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["spec"] == {"rooms": 4, "colour": "white"}
    assert len(shown["identity"]) == 32
    assert run(["submit", "embed", house, "--address", "http://nowhere", "--dry-run"]) == 0
    assert "colour: white" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["--set", "doors=1"], 2, "unknown field 'doors'; known here: colour, rooms"),
        (["--set", "rooms"], 2, "--set rooms: write it as field=value"),
        (["--set", "colour=none"], 4, "deglu: a house needs a colour; choose one"),
        (["--set", "colour=broken"], 1, "internal error: ValueError: not meant to happen; run again with --debug"),
        (["--set", "colour=stopped"], 130, "interrupted"),
        (["--sett", "a=b"], 2, "No such option: --sett"),
        (["extra"], 2, "unexpected extra argument"),
    ],
)
def test_what_goes_wrong_is_one_line(
    house: str, arguments: list[str], code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["embed", house, *arguments]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert line in err.splitlines()[-1]
    assert "Traceback" not in err


TERMINATED = """
import atexit, os, signal, time
from jobs import __main__ as command
atexit.register(print, "not reached")
def app(**_):
    print("begun")
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(30)
command.app = app
command.main()
"""


@pytest.mark.slow
def test_sigterm_ends_the_command_as_an_interruption_does() -> None:
    done = subprocess.run([sys.executable, "-c", TERMINATED], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (143, "begun\n")
    assert done.stderr == "deglu: ended by SIGTERM; committed work is kept: run the same command to continue\n"


ABORTED = """
import atexit, os, threading
from jobs import __main__ as command
atexit.register(print, "tidied")
command.app = lambda **_: 3
class Bomb:
    def __del__(self):
        os.abort()
command.bomb = Bomb()
command.main()
"""


@pytest.mark.slow
def test_the_interpreter_is_not_torn_down() -> None:
    """Native threads would abort the process after its work is done."""
    done = subprocess.run([sys.executable, "-c", ABORTED], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, "tidied\n", "")


def test_debug_adds_the_traceback_and_keeps_the_code(house: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["embed", house, "--set", "colour=none", "--debug"]) == 4
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert err.splitlines()[-1] == "deglu: a house needs a colour; choose one"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nosuch"], "No such command 'nosuch'; see deglu --help"),
        (["embed"], "Missing argument 'SPEC'; see deglu embed --help"),
        (["embed", "nowhere.yaml"], "nowhere.yaml: no such spec file; the ready ones are in deploy/specs/"),
        (["query", "index"], "give exactly one"),
        (["query", "index", "--text", "a", "--audio", "b.wav"], "give exactly one"),
        (["query", "index", "--text", "a", "--modality", "smell"], "'smell' is not one of"),
        (["query", "index", "--text", "a", "-k", "0"], "greater than or equal to 1"),
        (["submit", "query", "x.yaml", "--address", "http://nowhere"], "'query' is not one of"),
    ],
)
def test_a_wrong_command_line_is_exit_code_2(
    arguments: list[str], line: str, house: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert line in err
    assert len(err.splitlines()) == 1


def test_every_verb_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    listed = capsys.readouterr().out
    assert tuple(command.callback.__name__ for command in cli.app.registered_commands if command.callback) == VERBS
    assert all(f"  {verb} " in listed for verb in (*VERBS, "export"))
    assert "..." not in listed.partition("Commands:")[2]


@pytest.mark.parametrize("verb", [*VERBS, "export vectors", "export model"])
def test_help_teaches(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*verb.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert f"    deglu {verb}" in text
    assert "Exit codes: 0 complete" in text


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("deglu 0.")


@pytest.mark.slow
def test_help_starts_at_once_and_loads_nothing_heavy() -> None:
    probe = (
        "import sys; from jobs.__main__ import run; run(['--help']); "
        "sys.exit(len({'torch', 'ray', 'transformers', 'pyarrow', 'faiss', 'numpy'} & set(sys.modules)))"
    )
    seconds = min(timed([sys.executable, "-c", probe]) for _ in range(3))
    assert seconds < 1.0


def timed(command: list[str]) -> float:
    """CPU seconds: what else the machine does must not count."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.slow
def test_module_and_console_script_are_the_same_command() -> None:
    script = str(Path(sys.executable).parent / "deglu")
    outputs = [
        subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
        for command in ([sys.executable, "-m", "jobs", "--version"], [script, "--version"])
    ]
    assert outputs[0] == outputs[1]


@pytest.mark.slow
def test_a_reader_that_leaves_early_is_no_error() -> None:
    probe = (
        "import sys; from jobs.command.output import Plain, show; "
        "sys.exit(show(Plain({}, 'many words ' * 100_000, exit_code=3), as_json=False))"
    )
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.Popen([sys.executable, "-c", probe], stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert process.communicate(timeout=60)[1] == b""
    assert process.returncode == 3


def test_a_terminal_gets_a_bar() -> None:
    probe = (
        "from embed.amount import Amount\n"
        "from jobs.command.progress import progress_on_stderr\n"
        "with progress_on_stderr() as p:\n"
        "  p.begin('short', 2); p.advance(2)\n"
        "  p.begin_archive('embed', Amount(units=2), Amount()); p.advance(2, sound_s=9); p.note('[b]kept')\n"
    )
    ours, theirs = pty.openpty()
    subprocess.run([sys.executable, "-c", probe], stderr=theirs, check=True, timeout=60)
    shown = os.read(ours, 65536).decode()
    os.close(theirs)
    os.close(ours)
    assert "\x1b[" in shown
    assert "2/2 units" in shown
    assert "short" not in shown
    assert "[b]kept" in shown
