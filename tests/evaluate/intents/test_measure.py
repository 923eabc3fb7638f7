"""Intents of a manifest of one's own on a tiny model: every cell, typed and spoken, the same twice."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from evaluate.intents.measure import draw, measure_intents, name_of
from evaluate.intents.requests import Request
from evaluate.intents.spec import IntentSpec
from evaluate.models import load_models
from evaluate.systems import CEILING
from tests.evaluate.shelf import spec_of
from tests.train.lesson import PITCHES_HZ, SENTENCES, tone


def write_manifest(folder: Path) -> str:
    """Three intents in two languages, each sentence in four wordings, as tones of a pitch."""
    lines = []
    for number in range(48):
        pitch, lang = number % 3, ("en", "fr")[number // 3 % 2]
        soundfile.write(folder / f"{number}.wav", tone(pitch, number), 16_000)
        row = {"text": f"{SENTENCES[lang][pitch]} {chr(97 + number // 6)}", "audio": f"{number}.wav", "lang": lang}
        row |= {"label": f"Pitch{PITCHES_HZ[pitch]}", "voice": ("ann", "bo")[number // 6 % 2]}
        lines.append(json.dumps(row))
    (folder / "pitches.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return str(folder / "pitches.jsonl")


@pytest.mark.slow
def test_every_cell_is_measured_and_the_same_again(shelf: Path, tmp_path: Path) -> None:
    common: dict[str, Any] = {"data": write_manifest(tmp_path), "train_lang": "en", "shots": [1, 2]}
    models = load_models(spec_of(shelf, "model", ["late-fusion", CEILING], draws=100))
    typed = measure_intents(models, IntentSpec.parse(common | {"test_lang": "fr"}))
    spoken = IntentSpec.parse(common | {"modality": "speech"})
    found = measure_intents(models, spoken)
    assert measure_intents(models, spoken) == found
    assert (typed.name, found.name) == ("pitches text en->fr", "pitches speech en")
    assert typed.labels == found.labels == 3
    cells = {(one.system, one.method, one.shots, one.dim) for one in found.scores}
    methods = {("zero-shot", 0), *((name, shots) for name in ("probe", "prototype", "knn") for shots in (1, 2))}
    assert cells == {
        (system, *one, dim) for system in ("late-fusion", CEILING) for one in methods for dim in (32, 16, 8)
    }
    assert {one.system for one in typed.scores} == {"text"}
    assert all(0 <= one.macro.low <= one.macro.high <= 1 for one in found.scores)
    # Words are the same in each wording: the ceiling reads them.
    best = next(one for one in found.scores if one.system == CEILING and (one.method, one.shots) == ("probe", 2))
    assert best.macro.mean > 0.9
    mixed = measure_intents(models, IntentSpec.parse(common | {"modality": "speech", "train_modality": "text"}))
    assert mixed.name == "pitches text->speech en"
    assert any(one.system == "late-fusion" for one in mixed.scores)


def test_the_words_of_a_label() -> None:
    names = {
        "HassLightSet": "light set",
        "card_lost": "card lost",
        "GetTVState": "get tv state",
        "été-3": "été 3",
        "?": "?",
    }
    assert {label: name_of(label) for label in names} == names


def test_examples_are_drawn_by_label_and_seed() -> None:
    pool = [Request(label, "fr", f"{label} {number}", template=str(number)) for label in "ab" for number in range(9)]
    rows = draw(pool, "ab", 4, "0")
    assert [pool[row].label for row in rows] == [*"aaaabbbb"]
    assert len({*rows}) == 8
    assert draw(pool, "ab", 4, "0") == rows != draw(pool, "ab", 4, "1")
    assert set(np.asarray(draw(pool, "ab", 2, "0"))) <= set(rows)  # fewer shots are the first of more
