"""Run of `deglu embed` as text, from what it has written to storage: the same numbers as its own progress."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from embed.dataset.runs import ENDED, Run, is_alive
from jobs.command.meter import ArchiveMeter
from jobs.command.terminal import duration, many

CUT_SHORT = "cut short"


def run_document(run: Run, now: datetime) -> dict[str, Any]:
    """What is written, and what follows from it at the moment `now`."""
    meter = meter_of(run)
    alive = is_alive(run, now)
    return {
        **run.model_dump(mode="json"),
        "alive": alive,
        "told": run.state if alive or run.state in ENDED else CUT_SHORT,
        "seen_s_ago": _ago_s(run.seen, now),
        "last_unit_s_ago": _ago_s(run.last_unit, now) if run.last_unit else None,
        "elapsed_s": meter.elapsed_s,
        "percent": round(100 * meter.fraction, 1) if run.planned.units else None,
        "times_real": round(meter.times_real, 2) if meter.times_real else None,
        "left_s": round(meter.left_s) if alive and meter.left_s is not None else None,
        "words": meter.text() if run.planned.units else "",
    }


def meter_of(run: Run) -> ArchiveMeter:
    """The meter that the run's own progress had when it was last seen."""
    elapsed_s = (datetime.fromisoformat(run.seen) - datetime.fromisoformat(run.started)).total_seconds()
    meter = ArchiveMeter("", run.planned, run.before, clock=lambda: elapsed_s)
    meter.started = 0.0
    meter.add(run.done.units, run.done.sound_s, run.failures, run.done.text_bytes)
    return meter


def run_words(told: Mapping[str, Any]) -> list[str]:
    """Lines for people, of a `run_document`."""
    restarts = f"; {many(told['restarts'], 'restart')}" if told["restarts"] else ""
    kind = ", ".join(told[name] for name in ("device", "precision") if told[name])
    lines = [
        f"run      {_headline(told)}",
        f"workers  {told['workers']}{f' ({kind})' if kind else ''}, driven from {told['host']}{restarts}",
        *_progress(told),
    ]
    if told["slow"] and told["told"] not in ENDED:
        lines.append(f"slow     {_slow(told)}: {', '.join(told['slow'])}")
    if told["note"]:
        lines.append(f"note     {told['note']}")
    return lines


def run_summary(run: Run) -> list[str]:
    """One line for the report of a run: planned against done, and the pace; none where nothing was to be done."""
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


def _headline(told: Mapping[str, Any]) -> str:
    if told["alive"]:
        return f"{told['told']} since {_clock(told['started'])}, seen {duration(told['seen_s_ago'])} ago"
    if told["told"] == CUT_SHORT:
        seen = f"last seen {_clock(told['seen'])}, {duration(told['seen_s_ago'])} ago"
        return f"{told['state']} when it was cut short: {seen}; the same command goes on"
    return f"{told['told']} {_clock(told['seen'])}, after {duration(told['elapsed_s'])}"


def _progress(told: Mapping[str, Any]) -> Iterator[str]:
    """What is done of what is planned; and the pace, of which nothing is left to say once the run is over."""
    if not told["words"]:
        return
    parts = told["words"].split(" · ")
    place = next(place for place, part in enumerate(parts) if part.endswith(" %"))
    amounts, percent, pace = parts[:place], parts[place], parts[place + 1 :]
    there = told["before"]["units"] + told["done"]["units"]
    # Where units are all there is to count, the meter counts them.
    units = [] if amounts[0].endswith(" units") else [f"{there:,}/{told['planned']['units']:,} units"]
    yield f"done     {' · '.join([*amounts, *units, percent])}"
    pace = [part for part in pace if "failure" not in part and (told["alive"] or not part.endswith(" left"))]
    if told["alive"] and told["last_unit_s_ago"] is not None:
        pace.append(f"the last unit {duration(told['last_unit_s_ago'])} ago")
    if pace:
        yield f"pace     {' · '.join(pace)}"


def _slow(told: Mapping[str, Any]) -> str:
    if told["told"] == CUT_SHORT:
        return "in hand when it was cut short"
    still = f", nothing finished for {duration(told['last_unit_s_ago'])}" if told["last_unit_s_ago"] else ""
    return f"in hand{still}"


def _clock(moment: str) -> str:
    return datetime.fromisoformat(moment).strftime("%Y-%m-%d %H:%M UTC")


def _ago_s(moment: str, now: datetime) -> float:
    return max((now - datetime.fromisoformat(moment)).total_seconds(), 0.0)
