"""Attempts: how often each thing of a job is tried before it is given up; one value, handed down to those who try.

Requests to storage have their own, in `embed.storage.retry`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Attempts:
    """The defaults fit clusters that lose a machine now and then: what crashes by itself crashes again at once."""

    # Embedding.  A unit is marked before it starts; with its starts used up it is suspected, and runs alone.
    starts: int = 2
    starts_ahead: int = 3  # where units are cut ahead: those who cut and those who encode both mark them
    piece_deaths: int = 2  # workers that one piece of a unit may kill, until it is halved or recorded as failed
    fruitless_passes: int = 3  # over all units that are left, with no commit and no new suspect
    fold_retries: int = 1  # of a task that folds staged units: the next one does its work as well

    # Tasks over parts of a dataset, and frozen features: of one whose worker was killed.
    task_retries: int = 3

    # Training: restarts of all workers in a row that kept no further step; then it is an error that will not pass.
    restarts: int = 4


ATTEMPTS = Attempts()
