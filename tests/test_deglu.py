"""The front door for Python: what it names, what it costs to open, and that every example of it runs."""

import doctest
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import deglu
from embed.encoder import SAMPLE_RATE
from jobs.demo.demo_material import voice

# In the order in which one meets them: the later ones use what the first have made.
IN_ORDER = (
    *("EmbedSpec", "embed", "open_dataset", "load_encoder", "IndexSpec", "build_index", "open_index", "ShardedIndex"),
    *("parse_where", "SearchRequest", "Question", "decoder_for", "ask", "MeasureSpec", "submit", "SpecError"),
    *("InputError", "UnsupportedFormat", "StorageError", "AlreadyPublished", "FingerprintMismatch"),
    *("DataUnavailable", "UnreadableFile", "WorkLeftUndone", "DegluError"),
)
ON_RECORDED_SPEECH = "evaluate"
README = Path(__file__).resolve().parent.parent / "README.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_model: str) -> Path:
    """A folder with an archive and a model."""
    found = tmp_path_factory.mktemp("door")
    (found / "archive").mkdir()
    sound = np.concatenate([voice(2.5, 1), np.zeros(SAMPLE_RATE, np.float32), voice(1.5, 2)])
    soundfile.write(found / "archive" / "voice.wav", sound, SAMPLE_RATE)
    (found / "archive" / "notes.txt").write_text("The market opens at six.\n\nThe price of rice went up again.\n")
    shutil.copytree(tiny_model, found / "model")
    return found


@pytest.fixture
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


def example_of(name: str) -> doctest.DocTest:
    text = getattr(deglu, name).__doc__ or ""
    return doctest.DocTestParser().get_doctest(text, {}, name, None, None)


def failures_of(name: str) -> str:
    out: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example_of(name), out=out.append)
    return "".join(out)


@pytest.mark.ray
@pytest.mark.usefixtures("ray_session")
def test_every_example_runs(inside: Path) -> None:
    for name in IN_ORDER:
        assert not failures_of(name), failures_of(name)


@pytest.mark.data
def test_the_example_on_recorded_speech_runs(inside: Path) -> None:
    assert not failures_of(ON_RECORDED_SPEECH)


def test_every_public_name_has_an_example() -> None:
    assert {*IN_ORDER, ON_RECORDED_SPEECH} == set(deglu.__all__)
    assert not [name for name in deglu.__all__ if not example_of(name).examples]


@pytest.mark.ray
@pytest.mark.usefixtures("ray_session")
def test_the_readme_walks_from_a_folder_to_an_answer(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    section = README.read_text(encoding="utf-8").partition("## From Python")[2]
    code = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert code is not None
    text = code[1].replace('"/data/radio"', '"archive"').replace('"/data/', '"readme/').replace('"demo"', '"model"')
    exec(compile(text, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "notes.txt" in printed
    assert "0 failed" in printed


def test_opening_the_door_costs_nothing() -> None:
    """What takes seconds to import waits for the first name that needs it."""
    heavy = {"torch", "ray", "transformers", "numpy", "pyarrow", "pydantic", "faiss", "typer"}
    probe = f"import sys, deglu; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, cwd=README.parent, check=True)
    assert done.stdout == "[]\n"


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'curate'"):
        deglu.curate  # noqa: B018


def test_every_name_is_where_the_type_checker_finds_it() -> None:
    """The imports for type checkers and the table of homes name the same things."""
    source = Path(deglu.__file__).read_text(encoding="utf-8")
    typed = re.findall(r"^    from (\S+) import (\w+)(?: as (\w+))?$", source, re.MULTILINE)
    assert {alias or name: f"{module}:{name}" for module, name, alias in typed} == deglu._HOMES
