"""A plan for people, of a document by hand."""

from typing import Any

import pytest

from jobs.planning.plan_words import left_text, plan_text, sound

PLAN: dict[str, Any] = {
    "inputs": ["s3://bucket/radio", "s3://bucket/news"],
    "output": "s3://bucket/vectors",
    "model": "demo",
    "workers": 8,
    "assets": {
        "listed": 1216,
        "problems": 6,
        "kinds": [
            {"modality": "speech", "format": "audio", "assets": 1204, "bytes": 48.2e9, "sound_s": 3.6e6, "unknown": 2},
            {"modality": "text", "format": "jsonl", "assets": 12, "bytes": 1.2e9, "sound_s": None, "unknown": 0},
        ],
    },
    "problems": [
        {"uri": f"radio/{number}.mp3", "problem": f"InputError: s3://bucket/radio/{number}.mp3: empty"}
        for number in range(6)
    ],
    "note": "",
    "passed_over": {"picture": 12, "hidden file": 3},
    "carried_units": 0,
    "dropped_units": 0,
    "planned": {"units": 7300, "sound_s": 3.6e6, "text_bytes": 1_200_000_000},
    "committed": {"units": 1200, "sound_s": 0.6e6, "text_bytes": 0},
    "left": {"units": 6100, "sound_s": 3.0e6, "text_bytes": 1_200_000_000},
    "measured": {
        "device": "cpu",
        "threads": 2,
        "busy": False,
        "waited": 0.02,
        "load": 0.4,
        "cores": 4,
        "speech": {"times_real": 17.2, "segments_per_hour": 410.0, "amount": 135.0},
        "text": {"passages_per_s": 45.0, "passages_per_mb": 1010.0, "amount": 98304.0},
    },
    "expected": {
        "rows": 1_553_666,
        "stored_bytes": 1.5e9,
        "worker_s": 200_000.0,
        "wall_s": 25_000.0,
        "requests": {"put": 12_200, "get": 72_000, "list": 12},
        "workers_price": 66.67,
        "requests_price": 0.09,
        "month_price": 0.03,
        "price": 66.76,
        "least": {"worker_s": 180_000.0, "wall_s": 22_500.0, "price": 60.09},
        "most": {"worker_s": 240_000.0, "wall_s": 30_000.0, "price": 80.09},
        "dim": 384,
    },
    "rates": {"worker_hour": 1.2, "put_per_1000": 0.005, "get_per_1000": 0.0004, "gb_month": 0.023, "currency": "USD"},
    "assumed": ["each of 8 workers is like this", "nothing fails"],
}


def test_a_whole_plan() -> None:
    assert plan_text(PLAN).splitlines() == [
        "s3://bucket/radio, s3://bucket/news into s3://bucket/vectors, by model demo",
        "",
        "        format  assets     size     length",
        "speech  audio    1,204  48.2 GB  1,000.0 h",
        "text    jsonl       12   1.2 GB",
        "",
        "problems  6 assets cannot be embedded as they are:",
        *(f"          radio/{number}.mp3: InputError: empty" for number in range(5)),
        "          and 1 more: --json has all of them",
        "unknown   length of 2 recordings: their sound is not counted",
        "passed    15 files passed over: 12 pictures, 3 hidden files",
        "units     7,300 planned, 1,200 committed, 6,100 left: 833.3 h of sound and 1.2 GB of text",
        "speech    17.2x real time, 410 segments an hour (measured here: 135 s, cpu, 2 threads)",
        "text      45.0 passages a second, 1,010 a megabyte (measured here: 98.3 kB, cpu, 2 threads)",
        "vectors   1,553,666 expected, of 384 dimensions: 1.5 GB",
        "requests  12,200 PUT, 72,000 GET, 12 LIST",
        "time      6 h 15 min to 8 h 20 min on 8 workers, 50 h 00 min to 66 h 40 min on one",
        "price     60.09 to 80.09 USD, 0.09 of it for requests, and 0.03 a month to keep the vectors",
        "assumed   each of 8 workers is like this",
        "          nothing fails",
    ]


def test_a_busy_machine_is_reported() -> None:
    measured = {**PLAN["measured"], "busy": True, "waited": 0.634, "load": 14.13, "threads": 1}
    assert (
        "busy      the sample waited for a core in 63 % of its time (load 14.13 on 4 cores); this is not"
        " counted, but on an idle machine the interval is narrower"
    ) in plan_text({**PLAN, "measured": measured}).splitlines()


@pytest.mark.parametrize(("seconds", "words"), [(5, "5 s"), (90, "1.5 min"), (7200, "2.0 h"), (3.6e7, "10,000.0 h")])
def test_lengths_of_sound(seconds: float, words: str) -> None:
    assert sound(seconds) == words


def test_units_that_another_job_has_left() -> None:
    assert left_text({**PLAN, "carried_units": 12, "dropped_units": 1, "note": "look"})[2:] == [
        "carried   12 units of text: their vectors of the previous job are kept",
        "dropped   1 unit of settings that the inputs had before",
        "note      look",
    ]
