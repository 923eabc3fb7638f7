"""Tasks on tiny models and made-up prompts, in a process that has neither a cluster nor a command line."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from embed.errors import InputError
from evaluate.models import load_models
from evaluate.tasks import measure
from tests.evaluate.shelf import spec_of
from tests.train.lesson import write_prompts

IN_A_NOTEBOOK = """
import json, sys
from evaluate.report.report import as_json
from evaluate.spec import MeasureSpec
from evaluate.tasks import evaluate
seen = []
report = evaluate(MeasureSpec.parse(json.loads(sys.argv[1])), seen.append)
assert tuple(seen) == report.tasks
loaded = [name for name in ("ray", "typer", "rich", "jobs") if name in sys.modules]
print(json.dumps({"report": as_json(report), "loaded": loaded}))
"""


@pytest.fixture(scope="module")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder with 40 prompts in English and French."""
    cache = tmp_path_factory.mktemp("cache")
    write_prompts(cache, 40)
    return cache


@pytest.mark.slow
def test_a_model_is_measured_without_ray_and_the_command_line(shelf: Path, prompts: Path) -> None:
    task = {"benchmark": "asterisk", "query_lang": "fr", "document_lang": "en"}
    typed = {"benchmark": "asterisk", "query_lang": "en", "document_lang": "fr", "direction": "text-to-speech"}
    values: dict[str, Any] = {
        "model": str(shelf / "model"),
        "tasks": [task, typed],
        "systems": ["late-fusion", "ridge", "ceiling"],
        "baseline": "ridge",
        "draws": 100,
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IN_A_NOTEBOOK, json.dumps(values)],
        env={**os.environ, "DEGLU_CACHE": str(prompts)},
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads(done.stdout)
    assert found["loaded"] == []
    assert found["report"]["about"]["model"] == str(shelf / "model")
    spoken, typed = found["report"]["tasks"]
    assert (spoken["name"], typed["name"]) == ("asterisk dev fr->en", "asterisk dev typed en->fr")
    assert (spoken["documents"], typed["documents"]) == (40, spoken["queries"])  # all texts; the part's recordings
    for one in (spoken, typed):
        assert [system["name"] for system in one["systems"]] == values["systems"]
        assert set(one["systems"][0]["by_dim"]) == {"32", "16", "8"}
        assert one["systems"][0]["difference"]
        assert not one["systems"][1]["difference"]


@pytest.mark.slow
def test_the_first_so_many_questions_are_asked(shelf: Path, prompts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEGLU_CACHE", str(prompts))
    spec = spec_of(shelf, "model", ["ceiling"])
    models = load_models(spec)
    assert measure(models, spec.tasks[0], most=2).queries == 2
    with pytest.raises(InputError, match="asterisk has no recordings in 'tlh'; it has en, fr"):
        measure(models, spec.tasks[0].model_copy(update={"query_lang": "tlh"}))


@pytest.mark.slow
def test_a_folder_of_ones_own_is_measured_in_every_direction(shelf: Path, tmp_path: Path) -> None:
    rows = "".join(f"{number}.wav,words {number},fr,texts {number}\n" for number in range(4))
    manifest = tmp_path / "radio.csv"
    manifest.write_text(f"audio_filepath,text,lang,translation_en\n{rows}", encoding="utf-8")
    noise = np.random.default_rng(0)
    for number in range(4):
        soundfile.write(tmp_path / f"{number}.wav", noise.normal(0, 0.1, 12_000), 16_000)
    tasks = [
        {"benchmark": str(manifest), "direction": direction, "query_lang": asked, "document_lang": searched}
        for direction, asked, searched in (
            ("speech-to-text", "fr", "en"),
            ("text-to-speech", "en", "fr"),
            ("text-to-text", "en", "fr"),
            ("speech-to-any", "fr", None),
        )
    ]
    models = load_models(spec_of(shelf, "model", ["late-fusion", "ceiling"], tasks=tasks, draws=100))
    found = [measure(models, task) for task in models.spec.tasks]
    assert [one.name for one in found] == [
        "radio dev fr->en",
        "radio dev typed en->fr",
        "radio dev text-to-text en->fr",
        "radio dev speech-to-any fr->*",
    ]
    assert [(one.queries, one.documents) for one in found] == [(4, 4), (4, 4), (4, 4), (4, 12)]
    mixed = found[3]
    assert [one.name for one in mixed.systems][1::2] == ["late-fusion, plain cosines", "ceiling, plain cosines"]
    assert "row-1" not in mixed.systems[0].run["row-1"]  # a recording never finds itself
    assert found[0].qrels["row-1"] == {next(iter(found[0].qrels["row-1"])): 1}
    fusion, ceiling = found[2].systems
    assert fusion.by_dim == ceiling.by_dim  # texts of the model on both sides
