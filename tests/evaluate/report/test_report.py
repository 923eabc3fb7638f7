import json

from evaluate.report.headroom import NOTE
from evaluate.report.report import as_json, as_markdown
from evaluate.results import Interval, Report, System, Task

RIDGE = System("ridge", {384: {"nDCG@10": Interval(0.40, 0.35, 0.45)}})
FUSION = System(
    "late-fusion",
    {384: {"nDCG@10": Interval(0.437, 0.38, 0.48)}, 64: {"nDCG@10": Interval(0.3, 0.25, 0.35)}},
    {384: {"nDCG@10": Interval(0.037, -0.01, 0.08)}},
)
TASK = Task("asterisk test fr->en", 120, 512, {"nDCG@10": 0.0089}, (FUSION, RIDGE), "ridge")


def test_markdown_is_read_by_people() -> None:
    assert as_markdown(Report((TASK,), {"model": "demo", "date": "2026-01-01"})) == (
        "# Evaluation\n\n"
        "- model: demo\n"
        "- date: 2026-01-01\n\n"
        f"## Headroom\n\n{NOTE}\n\n"
        "asterisk test fr->en, 120 queries, 512 documents:\n\n"
        "| system | width | nDCG@10 | share of the ceiling | minus ridge | exceeds |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: |\n"
        "| a late-fusion | 384 | 0.437 [0.38, 0.48] | - | +0.037 [-0.01, +0.08] | - |\n"
        "| b ridge | 384 | 0.400 [0.35, 0.45] | - | - | - |\n"
        "| a late-fusion | 64 | 0.300 [0.25, 0.35] | - | - | - |\n"
        "| b ridge | 64 | - | - | - | - |\n\n"
        "## asterisk test fr->en\n\n"
        "120 queries, 512 documents; mean [95 % interval].\n\n"
        "| nDCG@10 | 384 | 64 |\n"
        "| --- | ---: | ---: |\n"
        "| late-fusion | 0.437 [0.38, 0.48] | 0.300 [0.25, 0.35] |\n"
        "| ridge | 0.400 [0.35, 0.45] | - |\n"
        "| chance | 0.009 | 0.009 |\n\n"
        "| nDCG@10 minus ridge | 384 | 64 |\n"
        "| --- | ---: | ---: |\n"
        "| late-fusion | +0.037 [-0.01, +0.08] | - |\n"
    )


def test_json_is_read_by_programs() -> None:
    document = json.loads(json.dumps(as_json(Report((TASK,), {"model": "demo"}))))
    assert document["about"] == {"model": "demo"}
    (task,) = document["tasks"]
    assert (task["name"], task["queries"], task["documents"]) == ("asterisk test fr->en", 120, 512)
    assert task["chance"] == {"nDCG@10": 0.0089}
    fusion, ridge = task["systems"]
    assert fusion["by_dim"]["64"]["nDCG@10"] == {"mean": 0.3, "low": 0.25, "high": 0.35}
    assert fusion["difference"]["384"]["nDCG@10"]["mean"] == 0.037
    assert (ridge["name"], ridge["difference"], task["baseline"]) == ("ridge", {}, "ridge")
