import numpy as np
import pytest

from train.curate.synthesis.pico import Pico, _in_child, identity
from train.curate.synthesis.utterance import Utterance


@pytest.fixture(scope="module")
def pico() -> Pico:
    pytest.importorskip("py_nanotts", reason="pip install -e '.[synthetic]'")
    return Pico()


def test_what_is_said_depends_on_the_utterance_alone(pico: Pico) -> None:
    apple = Utterance("Une pomme rouge.", "fr", "pico", "fr-FR", 1.1, 0.9)
    first = pico.speak(apple)
    other = pico.speak(Utterance("Une pomme rouge.", "fr", "pico", "fr-FR", 0.9, 1.1))
    assert np.array_equal(pico.speak(apple), first)
    assert first.dtype == np.float32
    assert 0.1 < np.abs(first).max() <= 1
    assert len(other) > len(first) > 10_000
    assert identity().startswith("py-nanotts ")


@pytest.mark.slow
def test_a_child_that_dies_says_nothing() -> None:
    def fail() -> bytes:
        raise SystemExit(1)

    assert _in_child(lambda: b"word") == b"word"
    assert _in_child(fail) == b""
