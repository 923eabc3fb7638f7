"""A run of `deglu embed` told from what it left in storage: the same numbers as its own progress."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from embed.runs import ENDED, Run, is_alive
from jobs.progress import ArchiveMeter, span
from jobs.terminal import many

CUT_SHORT = "cut short"


def run_document(run: Run, now: datetime) -> dict[str, Any]:
    """What is written, and what follows from it at the moment `now`."""
    meter = meter_of(run)
    alive = is_alive(run)
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
        "words": meter.words() if run.planned.units else "",
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
    lines = [f"run      {_headline(told)}"]
    if told["words"]:
        lines.append(f"done     {_done(told)}")
    if told["restarts"]:
        lines.append(f"workers  {many(told['restarts'], 'restart')} so far")
    if told["slow"] and told["told"] not in ENDED:
        still = f", nothing finished for {span(told['last_unit_s_ago'])}" if told["last_unit_s_ago"] else ""
        lines.append(f"slow     in hand{still}: {', '.join(told['slow'])}")
    if told["note"]:
        lines.append(f"note     {told['note']}")
    return lines


def _headline(told: Mapping[str, Any]) -> str:
    where = f"{many(told['workers'], 'worker')} ({told['device']}, {told['precision']}) from {told['host']}"
    if told["alive"]:
        return f"{told['told']} since {_clock(told['started'])}, {where}, seen {span(told['seen_s_ago'])} ago"
    if told["told"] == CUT_SHORT:
        state = f"{told['state']} when it was cut short: last seen {span(told['seen_s_ago'])} ago"
        return f"{state}, {where}; the same command goes on"
    return f"{told['told']} {_clock(told['seen'])}, after {span(told['elapsed_s'])}, {where}"


def _done(told: Mapping[str, Any]) -> str:
    units = {name: told[name]["units"] for name in ("planned", "before", "done")}
    words = told["words"].split(" · ")
    if not told["alive"]:  # nothing comes nearer
        words = [part for part in words if not part.endswith(" left")]
    parts = [*words, f"{units['before'] + units['done']:,} of {many(units['planned'], 'unit')}"]
    if told["alive"] and told["last_unit_s_ago"] is not None:
        parts.append(f"the last {span(told['last_unit_s_ago'])} ago")
    return " · ".join(parts)


def _clock(moment: str) -> str:
    return datetime.fromisoformat(moment).strftime("%Y-%m-%d %H:%M UTC")


def _ago_s(moment: str, now: datetime) -> float:
    return max((now - datetime.fromisoformat(moment)).total_seconds(), 0.0)
