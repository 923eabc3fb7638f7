"""Robustness of made-up prompts on tiny models: curves, areas, unseen speakers, and the files of the report."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from embed.errors import SpecError
from evaluate.models import load_models
from evaluate.report.page import as_html
from evaluate.report.report import as_json, as_markdown
from evaluate.results import Interval, Report
from evaluate.robustness.measure import _Changes, measure_robustness, measure_speakers
from evaluate.robustness.spec import RobustnessSpec
from evaluate.systems import CEILING
from evaluate.tasks import measure
from tests.evaluate.shelf import spec_of
from tests.train.lesson import tone, write_prompts
from train.curate.benchmarks import unseen as unseen_module


@pytest.mark.slow
def test_curves_are_paired_with_the_unchanged_and_the_same_again(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEGLU_CACHE", str(tmp_path))
    write_prompts(tmp_path, 40)
    models = load_models(spec_of(shelf, "hybrid", ["late-fusion", "cascade", CEILING], draws=100, keep=True))
    spec = RobustnessSpec.parse({"changes": ["traffic", "speed"], "levels": {"traffic": [0], "speed": [1.0, 1.25]}})
    (found,) = measure_robustness(models, spec, measure)
    kept = {path: path.stat().st_ino for path in (tmp_path / "encodings").iterdir()}
    assert measure_robustness(models, spec, measure) == (found,)
    assert {path: path.stat().st_ino for path in (tmp_path / "encodings").iterdir()} == kept
    assert {(one.change, one.system) for one in found.curves} == {
        (change, system) for change in ("traffic", "speed") for system in ("late-fusion", "cascade")
    }
    assert {one.dim for one in found.curves} == {32}  # no width of 64 or more is narrower
    for one in found.curves:
        clean = found.unchanged[one.system, one.dim]
        for point in one.points:
            assert point.difference.mean == pytest.approx(point.ndcg.mean - clean.mean)
        if one.change == "speed":  # the speed of 1 changes nothing
            assert one.points[0].ndcg == clean
            assert one.points[0].difference == Interval(0, 0, 0)
            assert one.area.mean == pytest.approx((clean.mean + one.points[1].ndcg.mean) / 2)
    report = Report((), {}, robustness=(found,))
    document = json.loads(json.dumps(as_json(report)))["robustness"][0]
    assert document["curves"][0]["points"][0]["level"] == 0
    assert "| traffic 0 | " in as_markdown(report)
    assert as_html(report).count("<figure><svg") == 1
    with pytest.raises(
        SpecError, match=r"robustness\.tasks': 'typed' is no task with recordings; give one of: asterisk"
    ):
        measure_robustness(models, replace_tasks(spec, "typed"), measure)
    with pytest.raises(SpecError, match=r"robustness\.systems': ceiling reads no recording"):
        measure_robustness(models, spec.model_copy(update={"systems": (CEILING,)}), measure)
    with pytest.raises(SpecError, match=r"robustness\.dims': \[7\] are not measured; give some of \[8, 16, 32\]"):
        measure_robustness(models, spec.model_copy(update={"dims": (7,)}), measure)


def replace_tasks(spec: RobustnessSpec, name: str) -> RobustnessSpec:
    return spec.model_copy(update={"tasks": (name,)})


def test_the_area_is_the_mean_over_the_range_of_levels() -> None:
    by_level = {20.0: np.asarray([1.0]), 10.0: np.asarray([0.5]), 0.0: np.asarray([0.0])}
    clean = np.asarray([1.0])
    assert _Changes(by_level, clean, None).area().tolist() == [0.5]
    uneven = _Changes({10.0: clean, 5.0: np.asarray([0.0]), 20.0: clean}, clean, None)
    assert uneven.area().tolist() == pytest.approx([(5 * 0.5 + 10) / 15])
    assert _Changes({2.0: np.asarray([0.0])}, clean, 1.0).area().tolist() == [0.5]  # the unchanged is a point
    assert _Changes({8.0: np.asarray([0.3])}, clean, None).area().tolist() == [0.3]


@pytest.mark.slow
def test_another_speaker_is_paired_by_prompt(shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEGLU_CACHE", str(tmp_path))
    write_prompts(tmp_path, 40)
    folder = tmp_path / "debian/asterisk-prompt-fr-armelle_1/usr/share/asterisk/sounds/fr"
    folder.mkdir(parents=True)
    names = [path.stem for path in (tmp_path / "debian").glob("asterisk-core-sounds-fr-g722_1/**/*.g722")]
    for number, name in enumerate(names[:30]):
        narrow = tone(number % 8, number)[::2]
        soundfile.write(folder / f"{name}.gsm", narrow, 8_000, format="RAW", subtype="GSM610")
    monkeypatch.setattr(unseen_module, "LIST", tmp_path / "list.tsv")
    (tmp_path / "list.tsv").write_text("lang\tkey\n" + "".join(f"fr\t{name}\n" for name in (*names[:20], "gone")))
    models = load_models(spec_of(shelf, "model", ["late-fusion"], draws=100))
    test, every = measure_speakers(models, RobustnessSpec.parse({"unseen": ["fr"], "dims": [32, 8]}))
    assert (every.queries, every.documents) == (20, 40)
    assert 0 < test.queries < 20
    assert [one.dim for one in every.scores] == [32, 8]
    for one in every.scores:
        assert one.difference.mean == pytest.approx(one.unseen.mean - one.known.mean)
        assert one.difference_gsm.mean == pytest.approx(one.unseen.mean - one.known_gsm.mean)
    report = Report((), {}, unseen=(test, every))
    assert "unseen speaker: asterisk fr->en, asterisk-prompt-fr-armelle, all prompts" in as_markdown(report)
    assert [one["queries"] for one in as_json(report)["unseen_speakers"]] == [test.queries, 20]


def test_the_list_of_reserved_prompts_is_well_formed() -> None:
    rows = [line.split("\t") for line in unseen_module.LIST.read_text(encoding="utf-8").splitlines()]
    assert rows[0] == ["lang", "key"]
    assert {lang for lang, _ in rows[1:]} == set(unseen_module.RESERVED)
    assert len({tuple(row) for row in rows}) == len(rows)
