"""Small pieces of the real work, timed: which ones, how long, and what they tell."""

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from embed.archive.inputs import InputSpec
from embed.archive.manifest import list_assets
from embed.encoder import Batch, FloatArray, Role
from embed.segmentation.units import plan_units
from embed.stages import cut_stage
from embed.tables import TEXT, Unit
from jobs.planning.estimate import Piece
from jobs.planning.sample import (
    FIRST_SOUND_MS,
    SOUND_MS,
    TEXT_ROWS,
    _closed,
    _narrowed,
    _sound_ms,
    _spread,
    _Tally,
    take_sample,
)
from tests.embed.sounds import CUTTING, LETTERS, Spectrum, tone, write_archive, write_wave


def planned(folder: Path) -> tuple[pa.Table, pa.Table]:
    assets = list_assets([InputSpec.parse({"url": str(folder), "name": "archive"})])
    return plan_units(assets, CUTTING), assets


def test_pieces_of_both_modalities_tell_their_pace(tmp_path: Path) -> None:
    write_archive(tmp_path)
    units, assets = planned(tmp_path)
    found = take_sample(units, assets, Spectrum(), cut_stage(CUTTING, LETTERS), threads=1)
    assert found.speech is not None
    assert found.text is not None
    assert found.speech.amount == 16.0  # both units of tones.wav, whole
    assert found.text.amount == sum((tmp_path / name).stat().st_size for name in ("letters.txt", "docs.jsonl"))
    assert (found.speech.rows, found.text.rows) == (15, 5)
    assert min(found.speech.cut_s, found.speech.encode_s, found.text.cut_s, found.text.encode_s) > 0
    assert 50 < found.text.row_bytes < 1000
    assert set(found.uris) == {"archive/tones.wav", "archive/letters.txt", "archive/docs.jsonl"}


def test_no_time_is_still_one_piece_of_each(tmp_path: Path) -> None:
    write_archive(tmp_path)
    units, assets = planned(tmp_path)
    found = take_sample(units, assets, Spectrum(), cut_stage(CUTTING, LETTERS), threads=1, budget_s=0.0)
    assert len(found.uris) == 2
    assert found.speech is not None
    assert found.text is not None


def test_what_cannot_be_read_tells_nothing(tmp_path: Path) -> None:
    write_wave(tmp_path / "gone.wav", tone(3, 200))
    units, assets = planned(tmp_path)
    (tmp_path / "gone.wav").unlink()
    found = take_sample(units, assets, Spectrum(), cut_stage(CUTTING, LETTERS), threads=1)
    assert (found.speech, found.text, found.uris) == (None, None, ())


@pytest.mark.parametrize(
    ("units", "places"),
    [([], []), ([5], [0]), ([1, 1, 1], [1, 0, 2]), ([1, 1, 97, 1], [2]), ([10] * 60, [29, 9, 49])],
)
def test_pieces_are_spread_by_what_is_planned(units: list[int], places: list[int]) -> None:
    assert _spread(np.array(units)) == places


def unit_of(modality: str, form: str, start: int, planned: int) -> Unit:
    """To the end of its file."""
    return {
        "unit_id": b"u" * 16, "asset_id": b"t" * 16, "uri": "in/a", "url": "/in/a", "modality": modality,
        "format": form, "content_version": "v", "start": start, "end": None, "planned": planned,
        "tracks": None, "text": None,
        "lang": None, "metadata": None, "columns": None, "problem": None,
    }  # fmt: skip


def test_units_are_narrowed_in_their_own_measure() -> None:
    speech = unit_of("speech", "audio", 600_000, planned=600_000)
    assert _narrowed(speech, 15_000) == {**speech, "end": 615_000, "planned": 15_000}
    text = unit_of(TEXT, "txt", 0, planned=100)
    assert _narrowed(text, 0) == {**text, "end": 100}
    table = unit_of(TEXT, "csv", 1000, planned=25_600)
    asset = pa.table({"asset_id": pa.array([b"t" * 16], pa.binary(16)), "items": [1256]})
    closed = _closed(table, asset)
    assert closed["end"] == 1256
    assert _narrowed(closed, 0) == {**table, "end": 1000 + TEXT_ROWS, "planned": 6_400}


def test_pieces_of_sound_grow_with_the_pace() -> None:
    assert _sound_ms(_Tally(), 20) == FIRST_SOUND_MS
    assert _sound_ms(_Tally([Piece(15, 1, 14)]), 20) == FIRST_SOUND_MS
    assert _sound_ms(_Tally([Piece(15, 1, 2)]), 18) == 30_000
    assert _sound_ms(_Tally([Piece(15, 0.01, 0.1)]), 18) == SOUND_MS


@pytest.mark.parametrize(
    ("share", "threads", "gpu", "used", "busy"),
    [
        (0.02, 4, False, 4, False),
        (0.60, 4, False, 1, True),
        (0.60, 1, False, 1, True),
        (0.60, 4, True, 4, True),  # the GPU is not shared by threads
    ],
)
def test_a_busy_machine_takes_one_thread(
    share: float, threads: int, gpu: bool, used: int, busy: bool, tmp_path: Path
) -> None:
    write_archive(tmp_path)
    units, assets = planned(tmp_path)
    cut, before = cut_stage(CUTTING, LETTERS), torch.get_num_threads()
    begun = time.perf_counter()
    found = take_sample(
        *(units, assets, Spectrum(), cut, threads), waited=lambda: share * (time.perf_counter() - begun), gpu=gpu
    )
    assert (found.used, found.threads, found.is_busy) == (used, threads, busy)
    assert found.waited == pytest.approx(share, abs=0.05)
    assert found.speech is not None
    assert found.speech.unused == threads // used
    assert sum(piece.amount for piece in found.speech.pieces) == found.speech.amount
    assert torch.get_num_threads() == before


class Laborious(Spectrum):
    """Computes for each batch for some tenths of a second."""

    def encode(self, batch: Batch, role: Role, task: str | None = None) -> FloatArray:
        hashlib.sha256(bytes(60_000_000)).digest()
        return super().encode(batch, role, task)


@pytest.mark.slow
def test_the_load_of_others_is_noted_and_not_measured(tmp_path: Path) -> None:
    """On one core together with three programs that never wait: the pace is that of the processor's own seconds."""
    write_archive(tmp_path)
    units, assets = planned(tmp_path)
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3)]
    try:
        before = time.process_time()
        found = take_sample(units, assets, Laborious(), cut_stage(CUTTING, LETTERS), threads=1)
        computed_s = time.process_time() - before
    finally:
        for one in others:
            one.kill()
            one.wait()
        os.sched_setaffinity(0, cores)
    assert found.is_busy
    assert found.waited > 0.4
    assert found.speech is not None
    assert found.text is not None
    measured_s = sum(piece.cut_s + piece.encode_s for pace in (found.speech, found.text) for piece in pace.pieces)
    # Computing includes the start, which is no part of the pace; the rest of the wall's time belongs to the others.
    assert 0.2 * computed_s < measured_s < 1.2 * computed_s < found.wall_s
