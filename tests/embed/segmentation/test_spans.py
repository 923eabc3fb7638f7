from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embed.encoder import FloatArray
from embed.errors import SpecError
from embed.segmentation.spans import Coverage, SegmentSpec, Span, coverage, owned, segments, stretches, windows

FRAME_MS = 32


def frames(*runs: tuple[float, float]) -> FloatArray:
    """Probabilities from (seconds, value) runs."""
    return np.concatenate([np.full(round(seconds * 1000 / FRAME_MS), value, np.float32) for seconds, value in runs])


def spec(**fields: Any) -> SegmentSpec:
    return SegmentSpec(**{"mode": "vad", "pad_s": 0, **fields})


def speech(probabilities: FloatArray, spec: SegmentSpec) -> list[Span]:
    return stretches(probabilities, 0, len(probabilities) * FRAME_MS, spec)


def test_a_stretch_is_where_the_probability_is_high() -> None:
    assert speech(frames((1.6, 0), (3.2, 0.9), (1.6, 0)), spec()) == [(1600, 4800)]


def test_short_pauses_close_and_long_ones_do_not() -> None:
    pauses = frames((3.2, 0.9), (0.16, 0), (3.2, 0.9), (0.64, 0), (3.2, 0.9))
    assert speech(pauses, spec()) == [(0, 6560), (7200, 10_400)]


def test_doubt_after_speech_is_speech_for_a_while_and_before_it_is_not() -> None:
    doubt = frames((1.6, 0.4), (1.6, 0.9), (0.16, 0.4), (1.6, 0))
    assert speech(doubt, spec()) == [(1600, 3360)]
    assert speech(frames((1.6, 0.9), (6.4, 0.4)), spec()) == [(0, 1600 + 9 * 32)]  # silence_s = 0.3


def test_clicks_are_dropped() -> None:
    assert speech(frames((1.6, 0), (0.16, 0.9), (1.6, 0)), spec()) == []


def test_padding_takes_half_the_gap_at_most_and_stays_inside() -> None:
    pauses = frames((0.064, 0), (1.6, 0.9), (0.64, 0), (1.6, 0.9))
    assert speech(pauses, spec(pad_s=0.5)) == [(0, 1984), (1984, 3904)]


def test_long_speech_becomes_windows_on_the_grid_and_nothing_is_cut_off() -> None:
    found = segments([(1000, 31_000)], (0, 60_000), spec(window_s=12, hop_s=6, max_s=20))
    assert found == [(1000, 13_000), (6000, 18_000), (12_000, 24_000), (18_000, 30_000), (24_000, 31_000)]


def test_speech_up_to_max_s_stays_whole() -> None:
    assert segments([(1000, 21_000)], (0, 60_000), spec(max_s=20)) == [(1000, 21_000)]


def test_a_sliver_joins_the_window_before_it() -> None:
    assert windows((0, 24_100), spec(window_s=12, hop_s=12)) == [(0, 12_000), (12_000, 24_100)]


def test_windows_mode_goes_through_everything() -> None:
    assert segments([], (0, 20_000), spec(mode="windows")) == [(0, 12_000), (6000, 18_000), (12_000, 20_000)]
    assert segments([], (0, 100), spec(mode="windows")) == []


def test_hybrid_adds_windows_over_neighbours_trimmed_to_their_speech() -> None:
    close = [(1000, 4000), (5000, 8000), (9000, 11_000)]
    assert segments(close, (0, 30_000), spec(mode="hybrid")) == sorted([*close, (1000, 11_000)])
    assert segments([(1000, 2000), (9000, 10_000)], (0, 30_000), spec(mode="hybrid")) == [(1000, 2000), (9000, 10_000)]
    assert segments([(1000, 9000)], (0, 30_000), spec(mode="hybrid")) == [(1000, 9000)]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"hop_s": 13}, "sound would be left out"),
        ({"window_s": 25}, "over max_s"),
        ({"halo_s": 1}, "these rules need"),
        ({"threshold": 1.5}, "threshold"),
    ],
)
def test_rules_that_cannot_hold_are_refused(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(SpecError, match=reason):
        SegmentSpec.parse(fields)


runs = st.lists(st.tuples(st.floats(0.05, 40), st.sampled_from([0.0, 0.4, 0.6, 0.95])), min_size=1, max_size=60)


@pytest.mark.slow
@pytest.mark.fuzz
@settings(max_examples=150, deadline=None, derandomize=True)
@given(runs=runs, mode=st.sampled_from(["vad", "windows", "hybrid"]), unit_s=st.integers(10, 90))
def test_units_of_any_size_find_what_one_look_finds(runs: list[tuple[float, float]], mode: str, unit_s: int) -> None:
    probabilities = frames(*runs)
    rules = SegmentSpec.model_validate({"mode": mode, "window_s": 6, "hop_s": 3, "max_s": 8, "unit_s": unit_s})
    end = len(probabilities) * FRAME_MS
    whole = segments(stretches(probabilities, 0, end, rules), (0, end), rules)
    assert sorted(set(whole)) == whole
    found: list[Span] = []
    seconds = []
    for start in range(0, end, unit_s * 1000):
        stop = min(start + unit_s * 1000, end)
        low = max(start - rules.halo_ms, 0) // FRAME_MS
        view_end = min(stop + rules.halo_ms, end)
        part = probabilities[low : -(-view_end // FRAME_MS)]
        seen = segments(stretches(part, low, view_end, rules), (low * FRAME_MS, view_end), rules)
        found += owned(seen, (start, stop))
        seconds.append(coverage(seen, [], (start * 16, stop * 16)))
    assert found == whole
    assert sum(one.embedded_s for one in seconds) == pytest.approx(coverage(whole, [], (0, end * 16)).embedded_s)
    for one in seconds:
        assert one.decoded_s == pytest.approx(one.embedded_s + one.not_speech_s + one.lost_s, abs=1e-9)


def test_coverage_balances_and_lost_goes_first() -> None:
    spans = [(-2000, 1000), (500, 3000), (9000, 15_000)]
    lost = [(2000 * 16, 4000 * 16)]
    # 10 s: embedded 0-2 and 9-10, lost 2-4, the rest not speech.
    assert coverage(spans, lost, (0, 160_000)) == Coverage(10.0, 3.0, 5.0, 2.0)
