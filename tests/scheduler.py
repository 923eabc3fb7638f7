"""Distribution of the tests to the workers of `pytest -n`.

A module stays on one worker, as do all modules that share the run's one session of Ray, and all that have clusters of
their own: next to the session there is never more than one, and what it costs is shared (`head` in tests/conftest.py).
The first to be handed out are those that take longest, so that the workers end at about the same time.

The quick tests are shared otherwise (`pytest --dist each --tx 2*popen`): the first process collects the modules that
load no torch, the second all others, and each runs what it has collected.  To collect all takes each of them 20 s.
"""

from functools import cache
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

HOUSE = Path(__file__).resolve().parent.parent
RAY, CLUSTERS = "ray", "clusters"
RAY_WORDS = ("mark.ray", "mark.cluster", "ray_session")
# Their clusters are their own, so they need not wait for the session of the others.
OWN_CLUSTERS = (
    "tests/jobs/training/test_train_model.py",
    "tests/test_chaos.py",
    "tests/test_train_faults.py",
    "tests/jobs/cluster/test_ray_session.py",
    "tests/jobs/cluster/test_submit_job.py",
    "tests/jobs/embedding/test_machine_faults.py",
)
LONG_MODULES = ("tests/embed/model/test_released.py",)


# Of the quick tests, about half.
WITHOUT_TORCH = ("tests/deploy/", "tests/embed/", "tests/index/", "tests/test_house.py")
WITH_TORCH = (
    "tests/embed/model/",
    "tests/embed/segmentation/test_rules.py",
    "tests/embed/segmentation/test_tokens.py",
)


def share_of(module: str) -> str:
    """The process of the quick tests that collects it."""
    return "gw0" if module.startswith(WITHOUT_TORCH) and not module.startswith(WITH_TORCH) else "gw1"


class Workers(LoadScopeScheduling):  # type: ignore[misc]
    """A scope is a module, or all modules of the one session of Ray, or all with clusters of their own."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        config.option.loadscopereorder = False  # by number of tests: the order of `in_order` is by time
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid.partition("::")[0])


def in_order(items: list[pytest.Item]) -> list[pytest.Item]:
    """What has clusters, the one session of Ray, what takes longest, and all others as they are."""
    return sorted(items, key=lambda item: _turn(item.nodeid.partition("::")[0]))


@cache
def group_of(module: str) -> str:
    """By the text of the module: the process that distributes has imported none."""
    text = (HOUSE / module).read_text(encoding="utf-8")
    if module in OWN_CLUSTERS:
        return CLUSTERS
    return RAY if any(word in text for word in RAY_WORDS) else module


def _turn(module: str) -> int:
    group = group_of(module)
    if group in (CLUSTERS, RAY):
        return (CLUSTERS, RAY).index(group)
    return 2 if module in LONG_MODULES else 3
