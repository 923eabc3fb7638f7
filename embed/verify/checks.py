"""Checks of a version, table by table: pure functions from its tables to a check with its problems.

They do not trust the writers: units are planned again from the assets, rows are counted in the files.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from embed.accounting import FAILED, Accounting, account, imbalances
from embed.check import Check, Problem
from embed.quantities import many
from embed.segmentation.rules import Cutting
from embed.segmentation.units import plan_units, units_left
from embed.tables import ID
from embed.verify.scan import Scan

SURPLUS = "surplus: in the ledger, but no asset of the version has it; the next `deglu embed` removes it"


def check_units(manifest: pa.Table, cutting: Cutting, ledger: pa.Table) -> Check:
    """Every unit planned from the live assets is in the live ledger once, and nothing else is."""
    missing, planned, committed = units_left(manifest, cutting, ledger["unit_id"])
    problems = [
        _of_unit(unit, "missing: neither embedded, nor failed, nor skipped")
        for unit in missing.select(["unit_id", "uri", "modality", "start", "end"]).to_pylist()
    ]
    if ledger.num_rows > committed.units:
        known = pc.is_in(ledger["unit_id"], value_set=plan_units(manifest, cutting)["unit_id"].combine_chunks())
        surplus = ledger.filter(pc.invert(known))["unit_id"].to_pylist()
        problems += [Problem(SURPLUS, unit) for unit in surplus]
    a = account(ledger)
    figures = f"{planned.units:,} listed = {a.embedded:,} embedded + {a.failed:,} failed + {a.skipped:,} skipped"
    return Check("units", figures, tuple(problems))


def check_totals(ledger: pa.Table, accounting: Accounting, rows: int) -> Check:
    """Seconds balance in every unit; the sums are equal to the version's."""
    problems = []
    for line in imbalances(ledger, ledger.num_rows):  # "unit <id>: problem"
        unit, _, what = line.removeprefix("unit ").partition(": ")
        problems.append(Problem(what, bytes.fromhex(unit)))
    a = account(ledger)
    for name, stated in accounting.model_dump().items():
        found = getattr(a, name)
        if abs(found - stated) > 0.001 * max(ledger.num_rows, 1):
            problems.append(Problem(f"the ledger has {found:,} {name}, the version states {stated:,}"))
    if rows != a.rows:
        problems.append(Problem(f"the ledger has {a.rows:,} rows, the version states {rows:,}"))
    figures = f"{a.decoded_s:,.1f} decoded = {a.embedded_s:,.1f} embedded + {a.not_speech_s:,.1f} not speech"
    return Check("seconds", f"{figures} + {a.lost_s:,.1f} lost", tuple(problems))


def check_rows(found: Scan, ledger: pa.Table) -> Check:
    """Each unit has as many rows in the files as its ledger row says."""
    in_files = ledger.select(["unit_id", "rows"]).join(
        found.counts, "unit_id", right_suffix="_found", join_type="full outer"
    )
    in_files = in_files.append_column("stated", pc.fill_null(in_files["rows"], -1))
    in_files = in_files.append_column("found", pc.fill_null(in_files["rows_found"], 0))
    wrong = in_files.filter(pc.not_equal(in_files["stated"], in_files["found"]))
    problems = [_rows_differ(row["unit_id"], row["stated"], row["found"]) for row in wrong.to_pylist()]
    hidden = f", {found.hidden:,} more under tombstones" if found.hidden else ""
    return Check("rows", f"{found.rows:,} in the files, equal to the ledger in each unit{hidden}", tuple(problems))


def check_ids(found: Scan) -> Check:
    problems = _counted(found.repeated, "row", "with a segment id that another row has")
    return Check("ids", f"{many(found.rows, 'segment id')}, no two equal", problems)


def check_vectors(found: Scan, dim: int) -> Check:
    problems = _counted(found.vectors_wrong, "vector", "not finite or not of length 1")
    return Check("vectors", f"{found.rows:,} of {dim} finite values, of length 1", problems)


def check_fingerprints(found: Scan, space: str, encoder: str) -> Check:
    problems = tuple(
        Problem(f"{many(count, 'row')} of {fingerprint}", unit)
        for (unit, fingerprint), count in sorted(found.fingerprints_wrong.items())
    )
    return Check("encoder", f"space {space[:12]}, encoder of speech {encoder[:12]}, in every row", problems)


def check_failures(failures: pa.Table, ledger: pa.Table, live: pa.Table) -> Check:
    """Each failed unit has a reason; each failure has a unit.  `ledger` is the whole one, `live` without tombstoned."""
    units = failures["unit_id"].combine_chunks()
    lost = failures.filter(pc.invert(pc.is_in(units, value_set=ledger["unit_id"].combine_chunks())))
    problems = list(_counted(Counter(lost["unit_id"].to_pylist()), "failure", "of a unit that is not in the ledger"))
    failed = live.filter(pc.equal(live["outcome"], FAILED))["unit_id"].combine_chunks()
    without_reason = failed.filter(pc.invert(pc.is_in(failed, value_set=units)))
    problems += [Problem("failed, but no failure has the reason", unit) for unit in without_reason.to_pylist()]
    live_failures = pc.sum(pc.is_in(units, value_set=live["unit_id"].combine_chunks()), min_count=0).as_py()
    return Check(
        "failures", f"{live_failures:,}, at least one for each of {many(len(failed), 'failed unit')}", tuple(problems)
    )


def placed(checks: Iterable[Check], ledger: pa.Table, manifest: pa.Table, cutting: Cutting) -> list[Check]:
    """The checks with uri and span of every unit that has problems, as far as ledger and manifest know it."""
    checks = list(checks)
    without_place = {problem.unit for check in checks for problem in check.problems if problem.unit and not problem.uri}
    if not without_place:
        return checks
    units = pa.array(sorted(without_place), ID)
    assets = ledger.filter(pc.is_in(ledger["unit_id"], value_set=units))["asset_id"].combine_chunks()
    planned = plan_units(manifest.filter(pc.is_in(manifest["asset_id"], value_set=assets)), cutting)
    known = {row["unit_id"]: row for row in planned.filter(pc.is_in(planned["unit_id"], value_set=units)).to_pylist()}
    return [replace(check, problems=tuple(_placed(one, known) for one in check.problems)) for check in checks]


def _placed(problem: Problem, known: dict[bytes, dict[str, object]]) -> Problem:
    row = known.get(problem.unit) if problem.unit and not problem.uri else None
    return _of_unit(row, problem.what) if row else problem


def _of_unit(unit: dict[str, object], what: str) -> Problem:
    return Problem(what, unit["unit_id"], unit["uri"], unit["modality"], unit["start"], unit["end"])  # type: ignore[arg-type]


def _counted(units: Counter[bytes], thing: str, what: str) -> tuple[Problem, ...]:
    return tuple(Problem(f"{many(count, thing)} {what}", unit) for unit, count in sorted(units.items()))


def _rows_differ(unit: bytes, stated: int, found: int) -> Problem:
    if stated < 0:
        return Problem(f"{many(found, 'row')} in the files, but no such unit in the ledger", unit)
    return Problem(f"{many(found, 'row')} in the files, the ledger has {stated:,}", unit)
