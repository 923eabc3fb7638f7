"""Classifiers on vectors: nearest label name, multinomial logistic regression, nearest prototype, nearest neighbours.

Shapes: n examples, t test vectors, c classes, D width; all vectors have unit length, labels are 0 .. c-1, and each
class has an example.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from embed.encoder import FloatArray

Labels = NDArray[np.int64]
# On English requests as text, within the examples' own templates: 0.001 to 0.1 give the same, 3 loses 0.05 of F1.
L2 = 0.1
STEPS = 100


def nearest_name(names_cD: FloatArray, test_tD: FloatArray) -> Labels:
    """The class whose name is nearest: no examples are used."""
    return _best(test_tD @ names_cD.T)


def probe(train_nD: FloatArray, labels_n: Labels, test_tD: FloatArray, neighbours: int = 0) -> Labels:
    """Logistic regression on vectors with mean 0 and a mean squared length of 1; L2 on the weights."""
    centre = train_nD.mean(axis=0, dtype=np.float64)
    scale = float(np.sqrt(np.square(train_nD - centre).sum(axis=1).mean())) or 1.0
    x, test = (torch.from_numpy((one - centre) / scale) for one in (train_nD, test_tD))
    y, classes = torch.from_numpy(labels_n), int(labels_n.max()) + 1
    weights = torch.zeros(x.shape[1], classes, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS([weights, bias], max_iter=STEPS, line_search_fn="strong_wolfe", tolerance_grad=1e-4)

    def loss() -> torch.Tensor:
        solver.zero_grad()
        found = torch.nn.functional.cross_entropy(x @ weights + bias, y, reduction="sum")
        found = found + L2 / 2 * weights.square().sum()
        found.backward()  # type: ignore[no-untyped-call]
        return found

    solver.step(loss)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        return _best((test @ weights + bias).numpy())


def prototype(train_nD: FloatArray, labels_n: Labels, test_tD: FloatArray, neighbours: int = 0) -> Labels:
    """The class whose mean example has the highest cosine."""
    means = np.stack([train_nD[labels_n == one].mean(axis=0) for one in range(labels_n.max() + 1)])
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
    return _best(test_tD @ means.T)


def knn(train_nD: FloatArray, labels_n: Labels, test_tD: FloatArray, neighbours: int) -> Labels:
    """The class with the highest sum of cosines among the nearest `neighbours` examples."""
    scores = test_tD @ train_nD.T
    nearest = np.argsort(-scores, axis=1, kind="stable")[:, :neighbours]
    # Cosines may be negative: a vote is worth more than none.
    votes = np.take_along_axis(scores, nearest, axis=1) + 2.0
    totals = np.zeros((len(test_tD), labels_n.max() + 1))
    np.add.at(totals, (np.arange(len(test_tD))[:, None], labels_n[nearest]), votes)
    return _best(totals)


def _best(scores_tc: NDArray[np.floating[Any]]) -> Labels:
    found: Labels = np.argmax(scores_tc, axis=1).astype(np.int64)
    return found


WITH_EXAMPLES: Mapping[str, Callable[[FloatArray, Labels, FloatArray, int], Labels]] = {
    "probe": probe,
    "prototype": prototype,
    "knn": knn,
}
