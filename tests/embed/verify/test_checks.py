"""What a check says of tables whose fault is visible by eye."""

from collections import Counter

import pyarrow as pa
import pytest

from embed import tables
from embed.accounting import account
from embed.check import Check, Problem
from embed.segmentation.units import plan_units
from embed.tables import LEDGER, MANIFEST, LedgerRow
from embed.verify.checks import (
    SURPLUS,
    check_failures,
    check_fingerprints,
    check_rows,
    check_totals,
    check_units,
    check_vectors,
    placed,
)
from embed.verify.scan import COUNTS, Scan
from tests.embed.sounds import CUTTING
from tests.embed.vectors import asset_of, failures_of, ledger_row, manifest, unit_of


def ledger_of(*rows: LedgerRow) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=LEDGER)


def counts(**rows: int) -> pa.Table:
    table = [{"unit_id": unit_of(name), "rows": count} for name, count in rows.items()]
    return pa.Table.from_pylist(table, schema=COUNTS)


def told(check: Check) -> list[tuple[bytes | None, str]]:
    return [(problem.unit, problem.what) for problem in check.problems]


def planned_ledger(assets: pa.Table) -> pa.Table:
    units = plan_units(assets, CUTTING).to_pylist()
    return ledger_of(*(tables.ledger_row(unit, "embedded", 2) for unit in units))


def test_units_are_those_planned_again() -> None:
    assets = manifest("a", "b", "c")
    check = check_units(assets, CUTTING, planned_ledger(assets))
    assert check == Check("units", "3 listed = 3 embedded + 0 failed + 0 skipped")
    missing = check_units(assets, CUTTING, planned_ledger(assets).slice(0, 2)).problems
    assert [(one.uri, one.start, one.end) for one in missing] == [("demo/c", 0, None)]
    surplus = check_units(assets.slice(0, 2), CUTTING, planned_ledger(assets))
    assert told(surplus) == [(planned_ledger(assets)["unit_id"][2].as_py(), SURPLUS)]


def test_rows_are_those_counted() -> None:
    ledger = ledger_of(ledger_row("a", 3), ledger_row("b", 0, "failed"), ledger_row("c", 2))
    assert not check_rows(Scan(counts=counts(a=3, c=2)), ledger).problems
    assert sorted(told(check_rows(Scan(counts=counts(a=4, d=1)), ledger))) == sorted(
        [
            (unit_of("a"), "4 rows in the files, the ledger has 3"),
            (unit_of("c"), "0 rows in the files, the ledger has 2"),
            (unit_of("d"), "1 row in the files, but no such unit in the ledger"),
        ]
    )


def test_totals_are_the_sums() -> None:
    ledger = ledger_of(ledger_row("a", 3), ledger_row("b", 0, "failed"))
    assert not check_totals(ledger, account(ledger), 3).problems
    adrift = ledger_of({**ledger_row("a", 3), "lost_s": 1.0})
    assert told(check_totals(adrift, account(ledger), 4)) == [
        (unit_of("a"), "10.0 s decoded, but 10.0 embedded + 0.0 not speech + 1.0 lost"),
        (None, "the ledger has 1 units, the version states 2"),
        (None, "the ledger has 0 failed, the version states 1"),
        (None, "the ledger has 10.0 decoded_s, the version states 20.0"),
        (None, "the ledger has 1.0 lost_s, the version states 10.0"),
        (None, "the ledger has 3 rows, the version states 4"),
    ]


def test_vectors_and_fingerprints_are_counted_by_unit() -> None:
    unit = unit_of("a")
    vectors = check_vectors(Scan(rows=5, vectors_wrong=Counter({unit: 2})), 4)
    assert told(vectors) == [(unit, "2 vectors not finite or not of length 1")]
    prints = check_fingerprints(Scan(fingerprints_wrong=Counter({(unit, "space x"): 1})), "space-1", "encoder-1")
    assert told(prints) == [(unit, "1 row of space x")]


def test_failures_and_failed_units_belong_together() -> None:
    ledger = ledger_of(ledger_row("a", 3), ledger_row("b", 0, "failed"))
    assert check_failures(failures_of("b", "cut"), ledger, ledger) == Check(
        "failures", "1, at least one for each of 1 failed unit"
    )
    assert told(check_failures(failures_of("c", "cut", "off"), ledger, ledger)) == [
        (unit_of("c"), "2 failures of a unit that is not in the ledger"),
        (unit_of("b"), "failed, but no failure has the reason"),
    ]


@pytest.mark.parametrize("known", [True, False])
def test_a_problem_is_placed_where_the_plan_knows_its_unit(known: bool) -> None:
    assets = manifest("a", "b")
    ledger = planned_ledger(assets)
    unit = ledger["unit_id"][1].as_py()
    check = Check("ids", "", (Problem("twice", unit), Problem("of no unit")))
    (found,) = placed([check], ledger, assets if known else MANIFEST.empty_table(), CUTTING)
    expected = Problem("twice", unit, "demo/b", "text", 0, None) if known else Problem("twice", unit)
    assert found.problems == (expected, Problem("of no unit"))
    assert asset_of("b") == ledger["asset_id"][1].as_py()
