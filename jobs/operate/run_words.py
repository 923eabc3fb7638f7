"""Text of a run of `deglu embed`, from its state on storage: the same numbers as its own progress."""

import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from embed.dataset.runs import ENDED, Run, is_alive
from embed.quantities import many
from jobs.command.meter import ArchiveMeter, of_total
from jobs.command.terminal import duration

CUT_SHORT = "cut short"


def run_document(run: Run, now: datetime) -> dict[str, Any]:
    """The stored state of a run, and the figures that follow from it at `now`."""
    meter = meter_of(run)
    alive = is_alive(run, now)
    return {
        **run.model_dump(mode="json"),
        "alive": alive,
        "told": run.state if alive or run.state in ENDED else CUT_SHORT,
        "seen_s_ago": _ago_s(run.seen, now),
        "last_unit_s_ago": _ago_s(run.last_unit, now) if run.last_unit else None,
        "elapsed_s": meter.elapsed_s,
        "percent": math.floor(1000 * meter.fraction + 1e-9) / 10 if run.planned.units else None,
        "times_real": round(meter.times_real, 2) if meter.times_real else None,
        "left_s": round(meter.left_s) if alive and meter.left_s is not None else None,
        "words": meter.text() if run.planned.units else "",
    }


def meter_of(run: Run) -> ArchiveMeter:
    """The meter of the run's own progress when it was last seen."""
    elapsed_s = (datetime.fromisoformat(run.seen) - datetime.fromisoformat(run.started)).total_seconds()
    meter = ArchiveMeter("", run.planned, run.before, clock=lambda: elapsed_s)
    meter.started = 0.0
    meter.add(run.done.units, run.done.sound_s, run.failures, run.done.text_bytes)
    return meter


def run_text(document: Mapping[str, Any]) -> list[str]:
    """Lines for people, of a `run_document`."""
    restarts = f"; {many(document['restarts'], 'restart')}" if document["restarts"] else ""
    kind = ", ".join(document[name] for name in ("device", "precision") if document[name])
    lines = [
        f"run      {_headline(document)}",
        f"workers  {document['workers']}{f' ({kind})' if kind else ''}, driven from {document['host']}{restarts}",
        *_progress(document),
    ]
    if document["slow"] and document["told"] not in ENDED:
        lines.append(f"slow     {_slow(document)}: {', '.join(document['slow'])}")
    if document["note"]:
        lines.append(f"note     {document['note']}")
    return lines


def run_summary(run: Run) -> list[str]:
    """One line for the report of a run: planned and done, and the pace; none where no unit was done."""
    if not run.done.units:
        return []
    planned, meter = run.planned - run.before, meter_of(run)
    sound = f", {duration(planned.sound_s)} of sound" if planned.sound_s else ""
    pace = f", {meter.times_real:.1f}x real time" if meter.times_real else ""
    restarts = f", {many(run.restarts, 'restart')} of workers" if run.restarts else ""
    return [
        f"run      {many(planned.units, 'unit')} planned{sound}; {run.done.units} done in {duration(meter.elapsed_s)}"
        f"{pace}, {run.precision} on {run.device}{restarts}"
    ]


def _headline(document: Mapping[str, Any]) -> str:
    if document["alive"]:
        return f"{document['told']} since {_clock(document['started'])}, seen {duration(document['seen_s_ago'])} ago"
    if document["told"] == CUT_SHORT:
        seen = f"last seen {_clock(document['seen'])}, {duration(document['seen_s_ago'])} ago"
        return f"{document['state']} when it was cut short: {seen}; run the same command to continue"
    return f"{document['told']} {_clock(document['seen'])}, after {duration(document['elapsed_s'])}"


def _progress(document: Mapping[str, Any]) -> Iterator[str]:
    """A line of what is done of what is planned; a line of the pace, without the time left once the run has ended."""
    if not document["words"]:
        return
    parts = document["words"].split(" · ")
    place = next(place for place, part in enumerate(parts) if part.endswith(" %"))
    amounts, percent, pace = parts[:place], parts[place], parts[place + 1 :]
    done = document["before"]["units"] + document["done"]["units"]
    # Without sound and text the meter counts units itself.
    units = [] if amounts[0].endswith((" unit", " units")) else [of_total(done, document["planned"]["units"], "units")]
    yield f"done     {' · '.join([*amounts, *units, percent])}"
    pace = [part for part in pace if "failure" not in part and (document["alive"] or not part.endswith(" left"))]
    if document["alive"] and document["last_unit_s_ago"] is not None:
        pace.append(f"the last unit {duration(document['last_unit_s_ago'])} ago")
    if pace:
        yield f"pace     {' · '.join(pace)}"


def _slow(document: Mapping[str, Any]) -> str:
    if document["told"] == CUT_SHORT:
        return "in progress when it was cut short"
    still = f", nothing finished for {duration(document['last_unit_s_ago'])}" if document["last_unit_s_ago"] else ""
    return f"in progress{still}"


def _clock(moment: str) -> str:
    return datetime.fromisoformat(moment).strftime("%Y-%m-%d %H:%M UTC")


def _ago_s(moment: str, now: datetime) -> float:
    return max((now - datetime.fromisoformat(moment)).total_seconds(), 0.0)
