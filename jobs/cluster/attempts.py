"""Attempts: the number of tries of each part of a job before it is given up; one value, passed to every caller.

Requests to storage have their own numbers, in `embed.storage.retry`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Attempts:
    """The defaults fit clusters that lose a machine now and then; a crash of our own repeats at once."""

    # Embedding.  A unit is marked before it starts; a unit that has used up its starts runs alone.
    starts: int = 2
    starts_ahead: int = 3  # where units are cut ahead: cutting tasks and encoding workers both mark them
    piece_deaths: int = 2  # workers that one piece of a unit may crash, until it is halved or recorded as failed
    fruitless_passes: int = 3  # over all units that are left, with no commit and no further unit to run alone
    fold_retries: int = 1  # of a task that folds staged units: the next task does its work too

    # Tasks over parts of a dataset, and frozen features: retries of a task whose worker was killed.
    task_retries: int = 3

    # Training: restarts of all workers in a row without a new checkpoint; then the error is taken as permanent.
    restarts: int = 4


ATTEMPTS = Attempts()
