"""The costs that --explain shows, by numbers that are easily followed."""

import json

from index.contracts import Chosen, Explanation, StageCost
from index.ladder import Point, Setting
from index.parts.artifact import FORMAT, FileEntry, Lineage, Manifest, PartEntry, SegmentEntry
from index.spec import IndexSpec
from jobs.asking.search_costs import costs_of, costs_text

SETTING = Setting(depth=6.5, shortlist=300, exact=15)
POINT = Point(
    setting=SETTING, recall={"rows": 0.9951, "spans": 0.993}, low=0.9912, rows_read=0.02, ms_one=0.61, ms_many=0.2
)


def manifest() -> Manifest:
    part = PartEntry(name="rows", files={"rows.f16.npy": FileEntry(bytes=1, sha256="00")})

    def segment(modality: str, first: int, rows: int) -> SegmentEntry:
        return SegmentEntry(
            part=part, modality=modality, first_id=first, rows=rows, coded=False, encoder="e", drift=None
        )

    return Manifest(
        format=FORMAT,
        version=7,
        spec=IndexSpec(vectors="v", output="i"),
        space="here",
        dims=(64,),
        metric="cosine",
        rows=10_100,
        segments=(segment("speech", 0, 100), segment("text", 100, 9_000), segment("text", 9_100, 1_000)),
        modalities={},
        removed=None,
        lineage=Lineage(url="v", version=1, sha256=None, settings={}),
    )


def explanation() -> Explanation:
    stages = (
        StageCost("all", "speech", 64, 200, 25_600, 0.0005),
        StageCost("route", "text", 64, 80, 20_480, 0.0001),
        StageCost("scan", "text", 64, 400, 6_400_000, 0.0002),
        StageCost("rank", "text", 64, 600, 38_400, 0.0002),
    )
    chosen = (
        Chosen("speech", None, None, "every row: 100 are too few"),
        Chosen("text", SETTING.wider(2), POINT, "recall 0.99: kept"),
    )
    return Explanation(2, stages, chosen)


def test_programs_get_all_of_it() -> None:
    costs = costs_of(manifest(), explanation())
    assert json.loads(json.dumps(costs)) == costs
    assert (costs["version"], costs["queries"], costs["space"]) == (7, 2, "here")
    assert round(costs["search_s"], 6) == 0.001
    assert [(stage["stage"], stage["share"]) for stage in costs["stages"]] == [
        ("all", 1.0),
        ("route", None),
        ("scan", 0.02),
        ("rank", 0.03),
    ]
    assert costs["chosen"]["speech"] == {
        "rows": 100,
        "why": "every row: 100 are too few",
        "setting": None,
        "measured": None,
    }
    text = costs["chosen"]["text"]
    assert (text["rows"], text["setting"]["shortlist"], text["measured"]["low"]) == (10_000, 600, 0.9912)


def test_people_get_a_table_and_the_reasons() -> None:
    lines = costs_text(
        {"model": "demo", "encode_s": 0.0123, "first_search_s": 0.025, **costs_of(manifest(), explanation())}
    ).splitlines()
    assert lines[0] == (
        "2 questions: encoded by demo in 12.30 ms, searched in 1.00 ms (25.00 ms the first time, while files and "
        "code were loaded)"
    )
    assert lines[1].split() == ["modality", "stage", "dim", "read", "of", "all", "size", "ms"]
    assert lines[2].split() == ["speech", "all", "64", "200", "rows", "100", "%", "25.6", "kB", "0.50"]
    assert lines[3].split() == ["text", "route", "64", "80", "lists", "20.5", "kB", "0.10"]
    assert lines[4].split() == ["text", "scan", "64", "400", "rows", "2", "%", "6.4", "MB", "0.20"]
    assert lines[6:8] == ["speech: every row: 100 are too few", "text: recall 0.99: kept"]
    assert lines[8:] == [
        "  measured  recall 0.9951 (own rows), 0.9930 (spans of its texts); 95 % lower bound 0.9912",
        "  cost      2 % of the rows scanned; 0.61 ms for a single question, 0.2 ms each in a batch",
        "  setting   depth 6.5, shortlist of 600, exact for 30",
    ]
