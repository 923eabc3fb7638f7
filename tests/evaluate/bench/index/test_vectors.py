from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from embed.encoder import FloatArray, Role, truncate
from embed.errors import DataUnavailable
from evaluate.bench.index.vectors import Source, means, part_path, static

TEXTS = [f"the price of rice in week {number} is not what it was in week {number + 1}" for number in range(60)]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEGLU_CACHE", str(tmp_path))
    return tmp_path


def source(asked: list[tuple[str, int]]) -> Source:
    def encode(texts: Sequence[str], role: Role) -> FloatArray:
        asked.append((role, len(texts)))
        return truncate(np.array([[len(text), hash(text) % 97 + 1] for text in texts], np.float32), 2)

    return Source("small", 20, (2,), encode, "fingerprint")


def test_queries_are_held_out_passages_and_spans_of_others_in_turn() -> None:
    encoder = source([])
    found = encoder.vectors(TEXTS, 20, queries=10)
    assert found.rows.tolist() == encoder.encode(TEXTS[:20], "document").tolist()
    assert found.calibration.shape == found.report.shape == (20, 2)
    assert found.calibration[::2].tolist() == encoder.encode(TEXTS[20:30], "document").tolist()
    assert found.report[::2].tolist() == encoder.encode(TEXTS[40:50], "document").tolist()


def test_what_was_encoded_once_is_read(own_cache: Path) -> None:
    asked: list[tuple[str, int]] = []
    first = source(asked).vectors(TEXTS, 20, queries=10)
    assert asked == [("document", 20), ("document", 10), ("query", 10), ("document", 10), ("query", 10)]
    again = source(asked).vectors(TEXTS, 20, queries=10)
    assert len(asked) == 5
    assert again.report.tolist() == first.report.tolist()
    assert part_path("small", "fingerprint", TEXTS[:20], "document").is_relative_to(own_cache)


def test_too_few_passages() -> None:
    with pytest.raises(
        DataUnavailable, match="60 passages are too few for 40 rows and 40 held out; give a smaller --n"
    ):
        source([]).vectors(TEXTS, 40, queries=10)


def test_a_text_is_the_unit_mean_of_its_tokens() -> None:
    table = np.array([[1, 0], [0, 1], [-1, 0]], np.float32)
    assert np.allclose(means(table, [[0], [0, 1], [2, 2, 2]]), [[1, 0], [0.5**0.5, 0.5**0.5], [-1, 0]])


def test_static_vectors_put_like_to_like_or_name_what_is_missing() -> None:
    if find_spec("wordllama") is None:
        with pytest.raises(DataUnavailable, match=r"wordllama is not installed; install deglu\[bench\]"):
            static()
        return
    found = static()
    rice, price, goal = found.encode(["the price of rice", "what rice costs", "a goal in the last minute"], "document")
    assert found.dims == (256, 128, 64)
    assert rice @ price > rice @ goal
