"""Speech and texts on the axes of the plane: who finds whom is visible by eye."""

import numpy as np
import torch

from tests.train.memory_lesson import first_right
from train.frozen.targets import Targets
from train.strategies.dev_scores import dev_scores, judge_dev

X, Y = [1.0, 0.0], [0.0, 1.0]
# Two texts in English, one in French; clip 0 says x in both, clip 1 says y in English alone.
TEXTS = torch.tensor([X, Y, X])
TARGETS = Targets(["en", "en", "fr"], {"query": TEXTS, "document": TEXTS}, [{"en": 0, "fr": 2}, {"en": 1}], [0, 1])


def judged(spoken: list[list[float]], heard: list[list[float]]) -> dict[str, list[float]]:
    def prefixes(rows: list[list[float]]) -> dict[int, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
        whole = np.asarray(rows, np.float32)
        return {2: whole, 1: np.sign(whole[:, :1])}

    found = judge_dev(prefixes(spoken), prefixes(heard), TARGETS, [0, 1], first_right)
    return {name: values.tolist() for name, values in found.items()}


def test_every_clip_is_judged_in_every_language_it_has() -> None:
    found = judged([X, Y], [X, Y])
    # English for both clips, then French for the first.
    assert found["speech_to_text@2"] == [1, 1, 1]
    assert found["text_to_speech@2"] == [1, 1, 1]
    assert judged([X, X], [X, Y])["speech_to_text@2"] == [1, 0, 1]


def test_directions_do_not_mix() -> None:
    found = judged([X, Y], [Y, X])
    assert found["speech_to_text@2"] == [1, 1, 1]
    assert found["text_to_speech@2"] == [0, 0, 1]  # a French question has but one clip to find


def test_the_score_is_the_mean_of_both_directions_at_the_widest_dim() -> None:
    values = {"speech_to_text@2": [1.0, 0.0], "text_to_speech@2": [1.0, 1.0], "speech_to_text@1": [0.0]}
    found = dev_scores({name: np.asarray(each) for name, each in values.items()})
    assert found == {"score": 0.75, "speech_to_text@2": 0.5, "text_to_speech@2": 1.0, "speech_to_text@1": 0.0}
