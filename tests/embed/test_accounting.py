import pyarrow as pa

from embed.accounting import account, imbalances
from embed.tables import LEDGER


def ledger(*rows: tuple[str, int, float, float, float, float]) -> pa.Table:
    names = ["outcome", "rows", "decoded_s", "embedded_s", "not_speech_s", "lost_s"]
    ids = {"asset_id": b"a" * 16, "content_version": "v"}
    table = [
        {"unit_id": bytes([place]) * 16, **ids, **dict(zip(names, row, strict=True))} for place, row in enumerate(rows)
    ]
    return pa.Table.from_pylist(table, schema=LEDGER)


def test_totals_are_sums_over_units() -> None:
    totals = account(ledger(("embedded", 3, 10.0, 7.0, 3.0, 0.0), ("failed", 0, 2.5, 0.0, 0.0, 2.5)))
    assert (totals.units, totals.embedded, totals.failed, totals.skipped, totals.rows) == (2, 1, 1, 0, 3)
    assert (totals.decoded_s, totals.embedded_s, totals.not_speech_s, totals.lost_s) == (12.5, 7.0, 3.0, 2.5)


def test_an_empty_ledger_is_all_zeros() -> None:
    assert set(account(ledger()).model_dump().values()) == {0}
    assert imbalances(ledger(), listed=0) == []


def test_a_unit_that_nobody_accounts_for_is_said() -> None:
    rows = ledger(("embedded", 1, 1.0, 1.0, 0.0, 0.0), ("skipped", 0, 0.0, 0.0, 0.0, 0.0))
    assert imbalances(rows, listed=2) == []
    assert imbalances(rows, listed=3) == ["3 units listed, but 1 embedded + 0 failed + 1 skipped = 2"]


def test_seconds_may_be_off_by_a_millisecond_a_unit_and_cannot_cancel() -> None:
    near = ledger(("embedded", 1, 10.0, 7.001, 3.0, 0.0), ("embedded", 1, 10.0, 7.0, 2.999, 0.0))
    assert imbalances(near, listed=2) == []
    apart = ledger(("embedded", 1, 10.0, 8.0, 3.0, 0.0), ("embedded", 1, 10.0, 7.0, 2.0, 0.0))
    assert imbalances(apart, listed=2) == [
        f"unit {'00' * 16}: 10.0 s decoded, but 8.0 embedded + 3.0 not speech + 0.0 lost",
        f"unit {'01' * 16}: 10.0 s decoded, but 7.0 embedded + 2.0 not speech + 0.0 lost",
    ]
