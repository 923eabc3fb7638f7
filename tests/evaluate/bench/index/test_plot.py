import json
from pathlib import Path
from typing import Any

import pytest
from matplotlib.image import imread

from evaluate.bench.index.plot import front, main, picture


def point(family: str, recall: float, speed: float, data: str = "static") -> dict[str, Any]:
    return {"data": data, "family": family, "recall": recall, "batch": speed, "single": speed / 2}


POINTS = [
    point("deglu", 0.95, 9000),
    point("deglu", 0.99, 6000),
    point("hnswlib", 0.95, 3000),
    point("hnswlib", 0.99, 1000),
    point("exact flat", 1.0, 500),
    point("deglu", 0.97, 5000, "transformer"),
]
DOCUMENT = {"points": POINTS, "builds": [{"data": "static", "rows": 200_000}]}


def test_only_what_nothing_beats_is_drawn_once_at_the_edge() -> None:
    points = [point("x", *pair) for pair in ((0.8, 99), (0.95, 9), (0.94, 8), (0.9999, 5), (1.0, 4))]
    assert front(points, "batch") == [(0.95, 9), (0.9999, 5)]
    assert front(points, "single")[0] == (0.95, 4.5)


def test_a_row_of_panels_for_each_data_set_and_a_line_for_each_contender() -> None:
    figure = picture(DOCUMENT)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == [
        "static vectors, 200,000: in one batch",
        "static vectors, 200,000: one at a time",
        "transformer vectors: in one batch",
        "transformer vectors: one at a time",
    ]
    assert [len(axes.lines) for axes in figure.axes] == [3, 3, 1, 1]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["deglu", "hnswlib", "exact flat"]


@pytest.mark.slow
def test_pictures_are_written_and_the_same_again(tmp_path: Path) -> None:
    source = tmp_path / "index.json"
    source.write_text(json.dumps(DOCUMENT), encoding="utf-8")
    targets = [tmp_path / "index.png", tmp_path / "index.svg"]
    assert main([str(source), *map(str, targets)]) == 0
    assert imread(targets[0]).shape[1] > 1_000
    assert "<svg" in targets[1].read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "target", "said"),
    [
        ("{}", "x.png", "the document has no points to draw"),
        (json.dumps(DOCUMENT), "x.gif", "the name of a picture must end in .svg or .png"),
    ],
)
def test_what_cannot_be_drawn(
    tmp_path: Path, text: str, target: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "d.json").write_text(text, encoding="utf-8")
    assert main([str(tmp_path / "d.json"), str(tmp_path / target)]) != 0
    assert said in capsys.readouterr().err
    assert main([]) == 2
