"""Shares of the sound, by hand."""

from embed.accounting import account
from embed.tables import LEDGER
from jobs.operate.accounts import accounting_text, coverage, coverage_text


def test_shares_of_an_hour() -> None:
    none = account(LEDGER.empty_table())
    hour = none.model_copy(update={"decoded_s": 3600.0, "embedded_s": 2700.0, "not_speech_s": 864.0, "lost_s": 36.0})
    assert coverage(hour) == {"speech": 0.75, "not_speech": 0.24, "lost": 0.01}
    assert coverage_text(hour) == ["coverage 75.0 % speech, 24.0 % not speech, 1.0 % lost, of 1 h 00 min of sound"]
    assert (coverage(none), coverage_text(none)) == (None, [])


def test_totals_are_two_lines_and_one_of_shares() -> None:
    none = account(LEDGER.empty_table())
    some = {"units": 3, "embedded": 1, "failed": 2, "decoded_s": 9.0, "embedded_s": 4.5, "lost_s": 4.5}
    assert accounting_text(none.model_copy(update=some)) == [
        "units    3 listed = 1 embedded + 2 failed + 0 skipped",
        "seconds  9.0 decoded = 4.5 embedded + 0.0 not speech + 4.5 lost",
        "coverage 50.0 % speech, 0.0 % not speech, 50.0 % lost, of 9 s of sound",
    ]
    assert len(accounting_text(none)) == 2
