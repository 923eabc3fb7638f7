"""Text for terminals: tables, and names and texts that try to command the terminal."""

import json
import re
import sys
import unicodedata
from pathlib import Path

import pyarrow as pa
import pytest
import soundfile

from embed.archive.utterance_lists import PATH
from embed.check import Check, Problem
from embed.dataset.publish import publish
from embed.dataset.runs import begin_run, keep_passed_over, keep_plan, write_run
from embed.tables import PASSED_OVER
from index.ask.answers import Answer
from index.ask.questions import Question
from jobs.__main__ import run
from jobs.asking.query_index import QueryReport
from jobs.command.output import as_result, show
from jobs.command.progress import Lines
from jobs.command.terminal import add_row, drawn, escaped, one_line, table_of
from jobs.operate.verify import Report
from tests.embed.vectors import begin, commit, commit_failed, manifest

# Sets the title, clears the screen, rings, goes to the first column, turns letters round, and claims a line of ours.
HOSTILE = "a\x1b]0;owned\x07\x1b[2J\r\x9b31m\u202egpj\nversion 9 of everything"
HARMLESS = "café नमस्ते שלום\u200f می\u200cخواهم 👩\u200d💻\tend"


@pytest.fixture(params=[40, 200])
def columns(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("COLUMNS", str(request.param))
    return int(request.param)


def test_cells_are_shown_as_they_are(columns: int) -> None:
    table = table_of("file", "count", right=("count",))
    add_row(table, "[b]programme[/b] 1.wav", 7)
    add_row(table, "x", 12_345)
    assert drawn(table).splitlines() == [
        "file                    count",
        "[b]programme[/b] 1.wav      7",
        "x                       12345",
    ]


def test_a_long_cell_is_folded_and_nothing_of_it_lost(columns: int) -> None:
    table = table_of("message")
    add_row(table, "0123456789" * 10)
    lines = drawn(table).splitlines()
    assert max(map(len, lines)) <= columns
    assert "".join(lines[1:]) == "0123456789" * 10


def test_every_control_character_is_escaped_and_no_letter() -> None:
    for code in [*range(0x3000), *range(0xD7F0, 0xE010), *range(0xFE00, 0x10000)]:
        sign = chr(code)
        is_control = unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") or unicodedata.bidirectional(sign) in (
            *("LRE", "RLE", "LRO", "RLO", "PDF"),
            *("LRI", "RLI", "FSI", "PDI"),
        )
        assert (escaped(sign) == sign) == (not is_control or sign in "\n\t"), hex(code)
        if is_control:
            assert escaped(sign) in (f"\\u{code:04x}", "\n", "\t")
    assert escaped(HARMLESS) == one_line(HARMLESS) == HARMLESS
    assert one_line("a\nb") == "a\\u000ab"


def test_json_has_the_data_as_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    show(as_result({"uri": HOSTILE, "text": HARMLESS, "byte": "\udce9"}), as_json=True)
    out = capsys.readouterr().out
    assert is_clean(out)
    assert json.loads(out) == {"uri": HOSTILE, "text": HARMLESS, "byte": "\udce9"}


@pytest.fixture
def hostile(tmp_path: Path) -> str:
    """A dataset whose names, texts and messages are hostile: an asset, a failure, a file passed over, a slow unit."""
    job = begin(str(tmp_path / "out"))
    commit(job, HOSTILE, HOSTILE)
    for name in ("b" + HOSTILE, "c" + HOSTILE):
        commit_failed(job, name, f"/archive/{name}: {HOSTILE}")
    listed = manifest(HOSTILE, "b" + HOSTILE, "c" + HOSTILE)
    publish(job, listed)
    files = pa.table([[f"in/{HOSTILE}.jpg"], ["picture"]], schema=PASSED_OVER)
    kept = {"plan": keep_plan(job.url, listed), "passed_over_list": keep_passed_over(job.url, files)}
    state = {"passed_over": {"picture": 1}, "slow": (HOSTILE,), "note": HOSTILE, "host": HOSTILE}
    write_run(job.url, begin_run(1).model_copy(update={**kept, **state}))
    return job.url


@pytest.mark.slow
@pytest.mark.parametrize(
    "verb",
    [["status"], ["failures"], ["failures", "--skipped"], ["forget", "--asset", f"demo/{HOSTILE}"]],
    ids=" ".join,
)
def test_no_name_commands_the_terminal(verb: list[str], hostile: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = []
    for options in ([], ["--json"], []):  # the second `forget` lists what was forgotten before
        run([*verb, hostile, *options])
        out, err = capsys.readouterr()
        assert is_clean(out + err)
        assert options or not re.search(r"^\s*version 9", out + err, re.MULTILINE)
        assert not options or json.loads(out)
        shown.append("owned" in out)
    assert any(shown)


def test_no_error_commands_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (
        ["status", f"{tmp_path}/{HOSTILE}"],
        ["embed", f"{tmp_path}/{HOSTILE}.yaml"],
        ["embed", f"{tmp_path}/{HOSTILE}.yaml", "--debug"],
        ["query", f"{tmp_path}/{HOSTILE}", "--text", HOSTILE],
        [HOSTILE],
        ["status", "x", f"--{HOSTILE}"],
    ):
        assert run(arguments) in (1, 2)
        out, err = capsys.readouterr()
        assert is_clean(out + err), arguments
        assert "owned" in err


def test_no_answer_commands_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    answer = Answer(
        1, 1.0, 7, "00", "text", HOSTILE, None, None, start=0, end=9, text=HOSTILE, item=HOSTILE, lang="en", metadata={}
    )
    show(QueryReport("index", (Question(text=HOSTILE),), ([answer],), None), as_json=False)
    out = capsys.readouterr().out
    assert is_clean(out)
    assert out.count("owned") == 4


def test_no_problem_commands_the_terminal() -> None:
    """Of `deglu verify`."""
    problem = Problem(f"{HOSTILE}: gone", unit=b"u", uri=HOSTILE, start=1, end=2)
    lines = Report("title", {}, [Check("ids", "1 row", (problem,))], by_unit=True).text().splitlines()
    assert lines[-1] == f"ids       {one_line(HOSTILE)}, 1 - 2 (unit 75): {one_line(HOSTILE)}: gone"


@pytest.mark.slow
def test_no_plan_commands_the_terminal(tmp_path: Path, tiny_model: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Names of files, and of those that a list names."""
    archive = tmp_path / "archive"
    archive.mkdir()
    (archive / f"{HOSTILE}.mp3").touch()
    soundfile.write(archive / "good.wav", [0.0] * 1600, 16_000)
    (archive / "list.jsonl").write_text(json.dumps({PATH: f"{HOSTILE}.wav", "offset": 0, "duration": 1}))
    spec = tmp_path / "spec.yaml"
    spec.write_text(f"inputs: [{{url: {archive}}}]\noutput: {tmp_path / 'out'}\nmodel: {tiny_model}\n")
    for options in (["plan"], ["embed", "--dry-run"]):
        assert run([options[0], str(spec), *options[1:]]) == 0
        out, err = capsys.readouterr()
        assert is_clean(out + err)
    Lines(sys.stderr).note(f"listing {HOSTILE}")
    assert capsys.readouterr().err == f"listing {one_line(HOSTILE)}\n"


def is_clean(text: str) -> bool:
    return escaped(text) == text
