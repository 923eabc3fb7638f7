"""Sections of intents in the three forms of a report."""

import json
from pathlib import Path

from evaluate.intents.results import IntentResult, IntentScore
from evaluate.report.page import as_html
from evaluate.report.report import as_json, as_markdown
from evaluate.report.sections import panels_plot, sections
from evaluate.results import Interval, Report


def at(mean: float) -> Interval:
    return Interval(mean, mean - 0.05, mean + 0.05)


SCORES = tuple(
    IntentScore("text", method, shots, dim, at(mean - 0.1 * (dim == 64)), at(mean))
    for method, cells in {"zero-shot": {0: 0.4}, "probe": {1: 0.5, 16: 0.91}, "knn": {1: 0.5, 16: 0.7}}.items()
    for shots, mean in cells.items()
    for dim in (384, 64)
)
REPORT = Report((), {}, (IntentResult("own <a> text en", 35, 700, 280, 10, SCORES, ("licence & more",)),))


def test_markdown_has_f1_by_shots_and_the_sentence_on_what_is_required() -> None:
    text = as_markdown(REPORT)
    assert (
        "text: macro F1 0.90 with 16 shots (probe, 0.910); 0.96 is not reached (best 0.910, probe, 16 shots)." in text
    )
    assert "| text: macro F1 by shots | zero-shot | 1 | 16 |\n" in text
    assert "| probe | - | 0.500 [0.45, 0.55] | 0.910 [0.86, 0.96] |\n" in text
    assert "| zero-shot | 0.400 [0.35, 0.45] | - | - |\n" in text
    assert "| text, probe: macro F1 by width | zero-shot | 1 | 16 |\n" in text
    assert "| 64 | 0.300 [0.25, 0.35] | 0.400 [0.35, 0.45] | 0.810 [0.76, 0.86] |" in text


def test_json_page_and_plot_have_them_too(tmp_path: Path) -> None:
    document = json.loads(json.dumps(as_json(REPORT)))["intents"][0]
    assert (document["name"], len(document["scores"])) == ("own <a> text en", len(SCORES))
    page = as_html(REPORT)
    assert "intents: own &lt;a&gt; text en" in page
    assert "<li>licence &amp; more</li>" in page
    assert page.count("<figure><svg") == 1
    assert as_html(REPORT) == page
    (section,) = sections(REPORT)
    panels_plot(section, tmp_path / "f1.png")
    assert (tmp_path / "f1.png").stat().st_size > 10_000


def test_a_report_without_them_is_as_before() -> None:
    assert set(as_json(Report(()))) == {"about", "tasks"}
    assert sections(Report(())) == []
