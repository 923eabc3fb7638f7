import pytest

import embed.dataset.publish
from embed.dataset import folded_since as folded
from embed.dataset.folded_since import FoldedSince, log_end
from embed.dataset.publish import publish, publish_draft
from embed.dataset.staging import staged_of
from tests.embed.vectors import begin, commit, manifest, unit_of

UNITS = [unit_of(name) for name in "abc"]


def test_what_is_folded_after_the_plan_is_known_though_staging_has_it_no_more(storage_url: str) -> None:
    job = begin(storage_url)
    since = FoldedSince(job, log_end(job))
    assert since.holds(UNITS) == set()
    commit(job, "a", "one")
    publish_draft(job)
    assert staged_of(job, UNITS) == set()
    assert since.holds(UNITS) == {unit_of("a")}
    commit(job, "b", "two")
    publish(job, manifest("a", "b", "c"))
    assert since.holds(UNITS) == {unit_of("a"), unit_of("b")}
    assert since.holds([]) == set()


def test_what_was_folded_before_the_plan_is_left_to_the_plan(storage_url: str) -> None:
    """A retry plans units again that the ledger has."""
    job = begin(storage_url)
    commit(job, "a", "one")
    publish_draft(job)
    since = FoldedSince(job, log_end(job))
    commit(job, "b", "two")
    publish_draft(job)
    assert since.holds(UNITS) == {unit_of("b")}


def test_without_a_new_entry_a_look_is_one_request(storage_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    job = begin(storage_url)
    commit(job, "a", "one")
    end = log_end(job)
    publish_draft(job)
    since = FoldedSince(job, end)
    assert since.holds(UNITS) == {unit_of("a")}
    monkeypatch.setattr(folded, "head", lambda url: pytest.fail("the log is read again"))
    assert since.holds(UNITS) == {unit_of("a")}


def test_a_ledger_that_is_written_as_one_file_is_read_anew(storage_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    job = begin(storage_url)
    since = FoldedSince(job, log_end(job))
    commit(job, "a", "one")
    publish_draft(job)
    assert since.holds(UNITS) == {unit_of("a")}
    monkeypatch.setattr(embed.dataset.publish, "MANY_SEGMENTS", 1)
    commit(job, "b", "two")
    publish_draft(job)
    assert since.holds(UNITS) == {unit_of("a"), unit_of("b")}


def test_another_job_has_units_of_its_own(storage_url: str) -> None:
    job = begin(storage_url)
    since = FoldedSince(job, log_end(job))
    other = begin(storage_url, encoder="encoder-2")
    commit(other, "a", "one")
    publish_draft(other)
    assert since.holds(UNITS) == set()
