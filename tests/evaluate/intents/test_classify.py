"""Classifiers on vectors whose answer is seen by eye, and the probe's optimum by its gradient."""

import numpy as np
import pytest

from embed.encoder import FloatArray
from evaluate.intents import classify
from evaluate.intents.classify import WITH_EXAMPLES, knn, nearest_name, probe, prototype


def unit(*rows: tuple[float, ...]) -> FloatArray:
    found = np.asarray(rows, np.float32)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found


def clouds(seed: int, each: int, noise: float) -> tuple[FloatArray, classify.Labels]:
    """Points around five axes."""
    labels = np.repeat(np.arange(5), each)
    points = np.eye(8, dtype=np.float32)[labels] + np.random.default_rng(seed).normal(0, noise, (len(labels), 8))
    return unit(*points), labels


@pytest.mark.parametrize("method", WITH_EXAMPLES)
def test_clouds_apart_are_known_and_the_same_twice(method: str) -> None:
    train, labels = clouds(0, 4, 0.1)
    test, truth = clouds(1, 20, 0.1)
    found = WITH_EXAMPLES[method](train, labels, test, 3)
    assert (found == truth).all()
    assert (WITH_EXAMPLES[method](train, labels, test, 3) == found).all()


def test_the_nearest_name_mean_and_neighbours() -> None:
    test = unit((1, 0.2), (0.2, 1))
    assert nearest_name(unit((0, 1), (1, 0)), test).tolist() == [1, 0]
    train, labels = unit((1, 0), (0.9, 0.5), (0, 1)), np.asarray([0, 1, 1])
    # The mean of class 1 lies between its examples, at 60 degrees.
    assert prototype(train, labels, unit((0.95, 0.3), (0.5, 1))).tolist() == [0, 1]
    assert knn(train, labels, unit((1, 0.05)), 1).tolist() == [0]
    assert knn(train, labels, unit((1, 0.05)), 3).tolist() == [1]  # two of three, though one is nearest


def test_the_probe_is_at_the_optimum_of_its_loss() -> None:
    """Against plain gradient descent on the same loss, in numpy."""
    train, labels = clouds(3, 6, 0.6)
    test, _ = clouds(4, 40, 0.6)
    centre = train.mean(axis=0, dtype=np.float64)
    scale = np.sqrt(np.square(train - centre).sum(axis=1).mean())
    x = np.hstack([(train - centre) / scale, np.ones((len(train), 1))])
    weights, truth = np.zeros((9, 5)), np.eye(5)[labels]
    for _ in range(20_000):
        scores = np.exp(x @ weights)
        gradient = x.T @ (scores / scores.sum(axis=1, keepdims=True) - truth)
        gradient[:-1] += classify.L2 * weights[:-1]
        weights -= 0.05 * gradient
    slow = np.argmax(np.hstack([(test - centre) / scale, np.ones((len(test), 1))]) @ weights, axis=1)
    assert (probe(train, labels, test) == slow).mean() > 0.99
