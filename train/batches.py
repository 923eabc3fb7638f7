"""The order in which data is learnt from: whole batches of like length, decided by seed and epoch alone."""

from collections.abc import Callable, Sequence

import numpy as np

from embed.errors import SpecError

WINDOW = 8  # batches that are sorted by length together: little padding, and batches stay random


def batches(members: Sequence[int], length: Callable[[int], int], batch: int, seed: int, epoch: int) -> list[list[int]]:
    """Batches of `batch` members each, every member once at most; the remainder waits for another epoch.

    Raises SpecError where the members do not fill one batch.
    """
    if len(members) < batch:
        raise SpecError(f"{len(members)} training examples do not fill one batch of {batch}; lower `optimiser.batch`")
    order = np.random.default_rng([seed, epoch]).permutation(np.asarray(members)).tolist()
    window = batch * WINDOW
    runs = [sorted(order[i : i + window], key=length) for i in range(0, len(order), window)]
    whole = [run[i : i + batch] for run in runs for i in range(0, len(run) - batch + 1, batch)]
    return [whole[i] for i in np.random.default_rng([seed, epoch, 1]).permutation(len(whole))]
