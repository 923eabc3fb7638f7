"""Repeats of a dataset on storage: night by night as all at once, again after a kill, without what is forgotten."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from embed import tables
from embed.dataset.forget import forget
from embed.dataset.job import Job
from embed.dataset.publish import publish
from embed.dataset.staging import commit_unit
from embed.encoder import FloatArray
from embed.fingerprints.matching import Printed
from embed.fingerprints.peaks import FRAMES_PER_S, peaks_of
from embed.repeats import find, table
from embed.repeats.find import find_repeats, purge_forgotten
from embed.repeats.kept import keep_print, read_prints, units_with_prints
from embed.repeats.table import read_repeats
from embed.storage.store import listing, read_bytes
from tests.embed.fingerprints.sounds import talk, tune
from tests.embed.vectors import asset_of, begin, failures_of, ledger_row, manifest, unit_of, unit_rows

JINGLE, SPOT = tune(5, 4.0), talk(6, 5.0)
NIGHTS: dict[str, FloatArray] = {
    "1-monday": np.concatenate([talk(1, 4), JINGLE, talk(2, 5)]),
    "2-tuesday": np.concatenate([talk(3, 6), JINGLE, talk(4, 3), SPOT, talk(5, 2)]),
    "3-wednesday": np.concatenate([SPOT, talk(7, 4), JINGLE]),
    "4-thursday": np.concatenate([talk(8, 3), SPOT, JINGLE, talk(9, 3)]),
}
FIRST_S = {"jingle": ("demo/1-monday", 4.0), "spot": ("demo/2-tuesday", 13.0)}
EXPECTED = [
    ("demo/2-tuesday", 6.0, "jingle"),
    ("demo/3-wednesday", 0.0, "spot"),
    ("demo/3-wednesday", 9.0, "jingle"),
    ("demo/4-thursday", 3.0, "spot"),
    ("demo/4-thursday", 8.0, "jingle"),
]
PEAKS = {name: peaks_of(sound) for name, sound in NIGHTS.items()}


def listed(names: list[str]) -> pa.Table:
    found = manifest(*names)
    return found.set_column(3, MODALITY, pa.array([tables.SPEECH] * len(names)))


MODALITY = tables.MANIFEST.field("modality")


def broadcast(job: Job, *names: str) -> None:
    """Nights are embedded and published, with all before them."""
    for name in names:
        keep_print(job.url, unit_of(name), asset_of(name), PEAKS[name])
        commit_unit(job, unit_rows(name, ["one"]), ledger_row(name, 1), failures_of(name))
    publish(job, listed([name for name in NIGHTS if unit_of(name) in units_with_prints(job.url)]))


def files(url: str) -> dict[str, bytes]:
    return {one.url[len(url) :]: read_bytes(one.url) for one in listing(f"{url}/repeats")}


def check(rows: pa.Table) -> None:
    found = rows.to_pylist()
    assert [row["uri"] for row in found] == [uri for uri, _, _ in EXPECTED]
    for row, (_, at_s, what) in zip(found, EXPECTED, strict=True):
        uri, first_s = FIRST_S[what]
        assert row["of_uri"] == uri
        assert row["start_s"] == pytest.approx(at_s, abs=1.1)
        assert row["of_start_s"] - row["start_s"] == pytest.approx(first_s - at_s, abs=0.1)
        assert row["end_s"] - row["start_s"] > 2.5


def test_each_repeat_names_its_first_broadcast_night_by_night_as_all_at_once(storage_url: str) -> None:
    nightly, at_once = begin(f"{storage_url}/nightly"), begin(f"{storage_url}/at-once")
    for number, name in enumerate(NIGHTS):
        broadcast(nightly, name)
        found = find_repeats(nightly.url)
        assert (found.before, found.new, found.without) == (number, 1, 0)
    broadcast(at_once, *NIGHTS)
    check(find_repeats(at_once.url).rows)
    assert read_repeats(nightly.url) == read_repeats(at_once.url)
    before = files(at_once.url)
    assert (find_repeats(at_once.url).new, files(at_once.url)) == (0, before)


def test_after_a_kill_the_same_call_continues_and_writes_identical_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(find, "BATCH", 2)
    whole, killed = begin(f"{tmp_path}/whole"), begin(f"{tmp_path}/killed")
    for job in (whole, killed):
        broadcast(job, *NIGHTS)
    find_repeats(whole.url)
    compared, calls = find.compared, []

    def dying(*arguments: object) -> pa.Table:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return compared(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(find, "compared", dying)
    with pytest.raises(KeyboardInterrupt):
        find_repeats(killed.url)
    assert read_repeats(killed.url) is None
    find_repeats(killed.url)
    assert len(calls) == 3  # the first batch was not compared again
    assert files(killed.url) == files(whole.url)


def test_units_without_a_fingerprint_are_counted(tmp_path: Path) -> None:
    job = begin(str(tmp_path))
    broadcast(job, "1-monday")
    commit_unit(job, unit_rows("x", ["one"]), ledger_row("x", 1), failures_of("x"))
    publish(job, listed(["1-monday", "x"]))
    found = find_repeats(job.url)
    assert (found.new, found.without, found.rows.num_rows) == (1, 1, 0)


def test_what_is_forgotten_leaves_no_fingerprint_and_no_label(tmp_path: Path) -> None:
    job = begin(str(tmp_path))
    broadcast(job, *NIGHTS)
    find_repeats(job.url)
    keep_print(job.url, unit_of("not published yet"), asset_of("other"), PEAKS["1-monday"])
    forget(job.url, ["demo/1-monday"])
    purge_forgotten(job.url)
    assert read_repeats(job.url) is None
    assert unit_of("1-monday") not in units_with_prints(job.url)
    assert unit_of("not published yet") in units_with_prints(job.url)
    found = find_repeats(job.url).rows
    assert "demo/1-monday" not in {*found["uri"].to_pylist(), *found["of_uri"].to_pylist()}
    assert [row["of_uri"] for row in found.to_pylist()] == ["demo/2-tuesday"] * 4  # the jingle's first one now


def test_a_repeat_across_two_units_is_one(tmp_path: Path) -> None:
    """As long recordings have it: units of ten minutes overlap by some seconds."""
    sound = np.concatenate([talk(20, 6), JINGLE, SPOT, talk(21, 6)])
    job = begin(str(tmp_path))
    broadcast(job, "1-monday", "2-tuesday")
    whole = peaks_of(sound)
    assets = {unit_of(name): asset_of(name) for name in ("1-monday", "2-tuesday")}
    parts = {unit_of("a"): whole.between(0, 700), unit_of("b"): whole.between(500, 10_000)}
    kept = read_prints(job.url, list(assets))
    prints = dict(zip(assets, kept, strict=True))
    prints |= {unit: Printed(b"new", peaks) for unit, peaks in parts.items()}
    assets |= dict.fromkeys(parts, asset_of("new"))
    uris = {asset: asset.hex() for asset in assets.values()}
    rows = find.compared(list(prints), [], lambda ids: [prints[unit] for unit in ids], assets, uris)
    mine = [row for row in table.joined(rows).to_pylist() if row["asset_id"] == asset_of("new")]
    assert [(row["start_s"], row["end_s"]) for row in mine] == [
        (pytest.approx(6, abs=0.5), pytest.approx(10, abs=1.5)),
        (pytest.approx(10, abs=0.5), pytest.approx(15, abs=1)),
    ]
    assert 500 / FRAMES_PER_S < 9 < 700 / FRAMES_PER_S
