"""Costs of a search for `deglu query --explain`: rows and time of each stage, the depth and its reason."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from embed.quantities import many, size
from index.contracts import Chosen, Explanation, StageCost
from index.parts.artifact import Manifest
from jobs.command.terminal import add_row, drawn, table_of

ROUTE = "route"  # reads the centres of lists; all other stages read rows
KINDS = {"rows": "own rows", "spans": "spans of its texts", "log": "logged questions"}


def costs_of(manifest: Manifest, explanation: Explanation) -> dict[str, Any]:
    """The costs of one call as JSON values; numbers are of all its queries together."""
    stored = _stored(manifest)
    return {
        "space": manifest.space,
        "version": manifest.version,
        "queries": explanation.queries,
        "search_s": explanation.seconds,
        "stages": [_stage(cost, explanation.queries, stored) for cost in explanation.stages],
        "chosen": {one.modality: _chosen(one, stored) for one in explanation.chosen},
    }


def costs_text(costs: Mapping[str, Any]) -> str:
    """Text of a document of `costs_of` that also has `model`, `encode_s` and `first_search_s`."""
    times = (
        f"encoded by {costs['model']} in {_as_ms(costs['encode_s'])} ms, searched in {_as_ms(costs['search_s'])} ms "
        f"({_as_ms(costs['first_search_s'])} ms the first time, while files and code were loaded)"
    )
    table = table_of(
        "modality", "stage", "dim", "read", "of all", "size", "ms", right=("dim", "read", "of all", "size", "ms")
    )
    for stage in costs["stages"]:
        thing = "list" if stage["stage"] == ROUTE else "row"
        share = "" if stage["share"] is None else f"{100 * stage['share']:.3g} %"
        read_bytes, spent = size(stage["bytes"]), _as_ms(stage["seconds"])
        read = many(stage["rows"], thing)
        add_row(table, stage["modality"], stage["stage"], stage["dim"], read, share, read_bytes, spent)
    chosen = [line for name, one in costs["chosen"].items() for line in _chosen_lines(name, one)]
    return "\n".join([f"{many(costs['queries'], 'question')}: {times}", drawn(table), *chosen])


def _stored(manifest: Manifest) -> dict[str, int]:
    """Rows in the files of each modality, removed ones included: they are scanned too."""
    found: dict[str, int] = {}
    for segment in manifest.segments:
        found[segment.modality] = found.get(segment.modality, 0) + segment.rows
    return found


def _stage(cost: StageCost, queries: int, stored: Mapping[str, int]) -> dict[str, Any]:
    every = queries * stored[cost.modality]
    return {**asdict(cost), "share": None if cost.stage == ROUTE or not every else cost.rows / every}


def _chosen(one: Chosen, stored: Mapping[str, int]) -> dict[str, Any]:
    return {
        "rows": stored[one.modality],
        "why": one.why,
        "setting": None if one.setting is None else one.setting.model_dump(mode="json"),
        "measured": None if one.measured is None else one.measured.model_dump(mode="json"),
    }


def _chosen_lines(name: str, one: Mapping[str, Any]) -> list[str]:
    lines = [f"{name}: {one['why']}"]
    if one["measured"] is not None:
        lines += _measured_lines(one["measured"])
    if one["setting"] is not None:
        deep = one["setting"]
        lines.append(
            f"  setting   depth {deep['depth']:.3g}, shortlist of {deep['shortlist']:,}, exact for {deep['exact']:,}"
        )
    return lines


def _measured_lines(point: Mapping[str, Any]) -> list[str]:
    kinds = ", ".join(f"{found:.4f} ({KINDS.get(kind, kind)})" for kind, found in point["recall"].items())
    return [
        f"  measured  recall {kinds}; 95 % lower bound {point['low']:.4f}",
        f"  cost      {100 * point['rows_read']:.3g} % of the rows scanned; {point['ms_one']:.3g} ms for a single "
        f"question, {point['ms_many']:.3g} ms each in a batch",
    ]


def _as_ms(seconds: float) -> str:
    return f"{1000 * seconds:.2f}"
