"""Shares of the sound, by hand."""

from embed.accounting import account
from embed.tables import LEDGER
from jobs.operate.accounts import coverage, coverage_in_words


def test_shares_of_an_hour() -> None:
    none = account(LEDGER.empty_table())
    hour = none.model_copy(update={"decoded_s": 3600.0, "embedded_s": 2700.0, "not_speech_s": 864.0, "lost_s": 36.0})
    assert coverage(hour) == {"speech": 0.75, "not_speech": 0.24, "lost": 0.01}
    assert coverage_in_words(hour) == ["coverage 75.0 % speech, 24.0 % not speech, 1.0 % lost, of 1 h 00 min of sound"]
    assert (coverage(none), coverage_in_words(none)) == (None, [])
