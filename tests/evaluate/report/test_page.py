"""The page of a report: self-contained, escaped, with its tables, plots and examples."""

from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from evaluate.measures.quality import evaluate_task
from evaluate.report.page import as_html
from evaluate.report.report import as_json, as_markdown
from evaluate.results import Example, Report

AXES = np.eye(40, dtype=np.float32)
IDS = [f"q{row}" for row in range(40)], [f"d{row}" for row in range(40)]


def report() -> Report:
    spoken = {"late-fusion": AXES, "ridge": np.roll(AXES, 1, axis=0), "ceiling": AXES}
    task = evaluate_task("a & b <i>", spoken, AXES, np.arange(40), [40, 20], baseline="ridge", ids=IDS, draws=100)
    examples = (Example("<script>x", 1, "right", "right", b"OggS"), Example("q", None, "right", "other & else"))
    return Report((replace(task, examples=examples),), {"model": "<demo>"})


class Loads(HTMLParser):
    """Addresses that the page would load, and the tags that are not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag not in ("meta", "path", "use", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            assert self.open.pop() == tag


@pytest.mark.slow
def test_the_page_is_whole_loads_nothing_and_escapes_texts() -> None:
    page = as_html(report())
    reader = Loads()
    reader.feed(page)
    assert reader.open == []
    assert all(one.startswith(("#", "data:audio/ogg;base64,")) for one in reader.loads)
    assert "<h2>a &amp; b &lt;i&gt;</h2>" in page
    assert "&lt;script&gt;x" in page
    assert "&lt;demo&gt;" in page
    assert page.count("<svg") == 1
    assert "beyond the first hundred" in page
    assert "other &amp; else" in page
    assert as_html(report()) == page  # the same bytes again


def test_what_is_kept_is_told_in_every_form() -> None:
    found = report()
    line = "late-fusion: no narrower width is within 1 % of the full width's nDCG@10."
    for text in (as_html(found).replace("&#x27;", "'"), as_markdown(found)):
        assert line in text
        assert "same ten nearest" in text
    system = as_json(found)["tasks"][0]["systems"][0]
    assert system["widths"]["20"]["bytes"] == 40
    assert system["smallest_within_1_percent"] == 40
    assert system["loss"]["20"]["nDCG@10"]["mean"] == -0.5
    assert system["health"]["anisotropy"] == 0.0
