"""The made-up lesson: the same everywhere, and as long as real prompts are."""

import torch

from evaluate.bench.train.lesson import FRAMES_PER_S, MadeUpFeatures, late_fusion_spec, made_up_targets, prompt_lengths


def test_clips_are_as_long_as_prompts() -> None:
    lengths = prompt_lengths(1000)
    assert 2.0 < sum(lengths) / len(lengths) / FRAMES_PER_S < 3.5
    assert min(lengths) > 0.3 * FRAMES_PER_S - 1
    assert max(lengths) <= 12 * FRAMES_PER_S


def test_frames_are_the_clips_own() -> None:
    first, again = (MadeUpFeatures([3, 5], 4) for _ in range(2))
    assert [first.length(clip) for clip in (0, 1)] == [3, 5]
    assert first.frames(1).shape == (5, 4)
    assert torch.equal(first.frames(1), again.frames(1))
    assert first.width == 4
    assert first.num_views(0) == 1


def test_every_clip_has_a_text_of_its_own_in_every_language() -> None:
    targets = made_up_targets(3, 8)
    assert [dict(own) for own in targets.own] == [{"en": 0, "fr": 3}, {"en": 1, "fr": 4}, {"en": 2, "fr": 5}]
    assert targets.langs == ["en", "en", "en", "fr", "fr", "fr"]
    assert targets.spoken == [3, 4, 5]
    torch.testing.assert_close(targets.vectors["query"].norm(dim=-1), torch.ones(6))


def test_nothing_is_scored_in_the_middle() -> None:
    assert late_fusion_spec(8).optimiser.epochs == 1
