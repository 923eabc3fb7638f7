"""Plan of an archive as text: a table of its assets, then one line for each figure."""

from collections.abc import Callable, Mapping
from typing import Any

from embed.archive.selection import in_words
from embed.quantities import many, size
from embed.tables import SPEECH, TEXT
from jobs.command.terminal import add_row, drawn, duration, joined, one_line, table_of
from jobs.operate.reasons import short_uri, without_file

PROBLEMS = 5  # shown to people; --json has all
HOUR_S = 3600


def plan_text(plan: Mapping[str, Any]) -> str:
    """Text of the document of `deglu plan`."""
    head = f"{', '.join(plan['inputs'])} into {plan['output']}, by model {plan['model']}"
    return "\n\n".join([one_line(head), _kinds(plan["assets"]["kinds"]), joined([*_lines(plan), *_assumed(plan)])])


def left_text(plan: Mapping[str, Any]) -> list[str]:
    """Units planned, committed and left, carried and dropped, files passed over, and the note: a line each."""
    lines = [f"units     {_left(plan)}"]
    if plan["passed_over"]:
        files = many(sum(plan["passed_over"].values()), "file")
        lines.insert(0, f"passed    {files} passed over: {in_words(plan['passed_over'])}")
    if plan["carried_units"]:
        lines.append(
            f"carried   {many(plan['carried_units'], 'unit')} of text: their vectors of the previous job are kept"
        )
    if plan["dropped_units"]:
        lines.append(f"dropped   {many(plan['dropped_units'], 'unit')} of settings that the inputs had before")
    if plan["note"]:
        lines.append(f"note      {plan['note']}")
    return lines


def sound(seconds: float) -> str:
    """`42 s`, `7.5 min`, `1,204.5 h` of sound."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 2 * HOUR_S else f"{seconds / HOUR_S:,.1f} h"


def _kinds(kinds: list[dict[str, Any]]) -> str:
    table = table_of("", "format", "assets", "size", "length", right=("assets", "size", "length"))
    for kind in kinds:
        length = "" if kind["sound_s"] is None else sound(kind["sound_s"])
        row = (kind["modality"], kind["format"], f"{kind['assets']:,}", size(kind["bytes"]), length)
        add_row(table, *row)
    return drawn(table)


def _lines(plan: Mapping[str, Any]) -> list[str]:
    lines = [*_problems(plan), *left_text(plan), *_measured(plan["measured"])]
    if not plan["left"]["units"]:
        return lines
    expected, asked = plan["expected"], plan["expected"]["requests"]
    lines.append(
        f"vectors   {expected['rows']:,} expected, of {expected['dim']} dimensions: {size(expected['stored_bytes'])}"
    )
    if any(asked.values()):
        lines.append(f"requests  {asked['put']:,} PUT, {asked['get']:,} GET, {asked['list']:,} LIST")
    alone = f", {_interval(expected, 'worker_s', duration)} on one" if plan["workers"] > 1 else ""
    lines.append(f"time      {_interval(expected, 'wall_s', duration)} on {many(plan['workers'], 'worker')}{alone}")
    return [*lines, f"price     {_price(expected, plan['rates'])}"]


def _problems(plan: Mapping[str, Any]) -> list[str]:
    problems = plan["problems"]
    lines = [f"problems  {many(len(problems), 'asset')} cannot be embedded as they are:"] if problems else []
    lines += [f"          {short_uri(one['uri'])}: {_problem(one)}" for one in problems[:PROBLEMS]]
    if len(problems) > PROBLEMS:
        lines.append(f"          and {len(problems) - PROBLEMS:,} more: --json has all of them")
    unknown = sum(kind["unknown"] or 0 for kind in plan["assets"]["kinds"])
    if unknown:
        lines.append(f"unknown   length of {many(unknown, 'recording')}: their sound is not counted")
    return lines


def _problem(one: Mapping[str, str]) -> str:
    """The class of the error and its message, without the file's url, whose end is the uri."""
    error_class, _, message = one["problem"].partition(": ")
    return f"{error_class}: {without_file({'uri': one['uri'], 'message': message})}"


def _left(plan: Mapping[str, Any]) -> str:
    planned, done, left = plan["planned"], plan["committed"], plan["left"]
    if not left["units"]:
        return f"{planned['units']:,} planned, all of them committed: nothing is left"
    amount = " and ".join(
        [*([f"{sound(left['sound_s'])} of sound"] if left["sound_s"] else []),
         *([f"{size(left['text_bytes'])} of text"] if left["text_bytes"] else [])]
    )  # fmt: skip
    before = f", {done['units']:,} committed, {left['units']:,} left" if done["units"] else ""
    return f"{planned['units']:,} planned{before}: {amount or 'of unknown length'}"


def _measured(measured: Mapping[str, Any]) -> list[str]:
    lines = []
    speech, text = measured[SPEECH], measured[TEXT]
    where = f"{measured['device']}, {many(measured['threads'], 'thread')}"
    if speech:
        lines.append(
            f"speech    {speech['times_real']:,.1f}x real time, {speech['segments_per_hour']:,.0f} segments an hour"
            f" (measured here: {speech['amount']:.0f} s, {where})"
        )
    if text:
        lines.append(
            f"text      {text['passages_per_s']:,.1f} passages a second, {text['passages_per_mb']:,.0f} a megabyte"
            f" (measured here: {size(text['amount'])}, {where})"
        )
    if measured["busy"]:
        load = f"load {measured['load']:g} on {many(measured['cores'], 'core')}"
        lines.append(
            f"busy      the sample waited for a core in {100 * measured['waited']:.0f} % of its time ({load}); this is"
            " not counted, but on an idle machine the interval is narrower"
        )
    return lines


def _interval(expected: Mapping[str, Any], name: str, shown: Callable[[float], str]) -> str:
    """`5 h 20 min to 8 h 10 min`, from the least to the most; one of them where both read the same."""
    least, most = (shown(expected[end][name]) for end in ("least", "most"))
    return least if least == most else f"{least} to {most}"


def _price(expected: Mapping[str, Any], rates: Mapping[str, Any]) -> str:
    currency = rates["currency"]
    if not any(value for name, value in rates.items() if name != "currency"):
        return "unknown: the spec has no rates; give them, as in --set rates.worker_hour=1.2"
    asked = f", {expected['requests_price']:,.2f} of it for requests" if expected["requests_price"] else ""
    month = f", and {expected['month_price']:,.2f} a month to keep the vectors" if expected["month_price"] else ""
    return f"{_interval(expected, 'price', '{:,.2f}'.format)} {currency}{asked}{month}"


def _assumed(plan: Mapping[str, Any]) -> list[str]:
    return [f"{'' if place else 'assumed':10}{one}" for place, one in enumerate(plan["assumed"])]
