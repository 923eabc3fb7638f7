"""Checkpoints of a training: one safetensors file each, complete or absent, on a local path or s3://.

- A file holds weights, optimiser and running average as tensors; the position of the training, its scores, and the
  spec's defining fields as JSON in the metadata.  A checkpoint of another spec is refused with the difference.
- The newest and the best are kept.  A failed save leaves all earlier files.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from safetensors.torch import load, save
from torch import Tensor

from embed.errors import InputError, SpecError
from embed.storage import store
from train.strategy import SCORE

SUFFIX = ".safetensors"
KINDS = ("weights", "optimiser", "average")


@dataclass(frozen=True)
class State:
    """State of a training between two steps: all that is required to continue with an identical result."""

    step: int  # steps done, which is the number of the next one
    epoch: int  # that of the next step
    position: int  # batches of the epoch done; where all are done and `scores` is empty, scoring is next
    weights: Mapping[str, Tensor]  # `Strategy.state()`
    optimiser: Mapping[str, Tensor]  # "exp_avg/<parameter>" and so on
    average: Mapping[str, Tensor]  # running mean of the trained parameters; {} where none is kept
    scores: Mapping[str, float] = field(default_factory=dict)  # of `final_weights()` on dev; {} where not scored
    best: float | None = None  # the best score so far
    stale: int = 0  # scorings since the best one
    finished: bool = False  # after the last step, or after an early stop

    def final_weights(self) -> dict[str, Tensor]:
        """Weights that are scored and published: the running mean where there is one."""
        return {**self.weights, **self.average}


class Checkpoints:
    """The checkpoints of one training below `url`.  Only one process may write."""

    def __init__(self, url: str, defining: Mapping[str, Any], keep: int = 2) -> None:
        """`defining` is `spec.defining()`; the `keep` best checkpoints are kept in addition to the newest."""
        self.url, self.keep = url, keep
        self._defining = json.loads(json.dumps(defining))  # in the form that a file returns
        self._score: dict[str, float | None] = {}  # of each existing checkpoint, by url

    def save(self, state: State) -> str:
        """Write a checkpoint, then delete those that are neither newest nor among the best; returns its url.

        Raises StorageError where the storage refuses the file; earlier checkpoints are kept.
        """
        url = store.join(self.url, f"{state.step:08d}{SUFFIX}")
        tensors = {f"{kind}/{name}": value for kind in KINDS for name, value in getattr(state, kind).items()}
        dense = {name: value.contiguous() for name, value in tensors.items()}
        store.write_bytes(url, save(dense, self._metadata(state)))
        known = self._known()
        known[url] = state.scores.get(SCORE)
        best = _best_first(known)[: self.keep]
        store.delete([one for one in known if one not in best and one != max(known)])
        self._score = {one: score for one, score in known.items() if one in best or one == max(known)}
        return url

    def newest(self) -> State | None:
        """The state to continue from; None where there is none.  Raises SpecError at a checkpoint of another spec."""
        urls = self._urls()
        return self._read(max(urls)) if urls else None

    def best(self) -> State | None:
        """The state with the highest score, the earliest of equals; None where none was scored."""
        urls = _best_first(self._known())
        return self._read(urls[0]) if urls else None

    def _known(self) -> dict[str, float | None]:
        for url in self._urls():
            if url not in self._score:
                self._score[url] = _header(url)["state"]["scores"].get(SCORE)
        return self._score

    def _urls(self) -> list[str]:
        return [entry.url for entry in store.listing(self.url, SUFFIX)]

    def _metadata(self, state: State) -> dict[str, str]:
        plain = {name: value for name, value in vars(state).items() if name not in KINDS}
        return {"deglu": json.dumps({"state": plain, "spec": self._defining})}

    def _read(self, url: str) -> State:
        header = _header(url)
        changed = difference(header["spec"], self._defining)
        if changed:
            raise SpecError(
                f"{url} is a checkpoint of another spec: {'; '.join(changed)}; choose another checkpoints.url,"
                " or restore these fields"
            )
        tensors = load(store.read_bytes(url))
        parts: dict[str, dict[str, Tensor]] = {kind: {} for kind in KINDS}
        for name, value in tensors.items():
            kind, _, rest = name.partition("/")
            parts[kind][rest] = value
        return State(
            **header["state"], weights=parts["weights"], optimiser=parts["optimiser"], average=parts["average"]
        )


def _best_first(scores: Mapping[str, float | None]) -> list[str]:
    """Urls of the scored checkpoints, best first; of equals the earliest first."""
    return [url for _, url in sorted((-score, url) for url, score in scores.items() if score is not None)]


def difference(saved: Any, current: Any, field: str = "") -> list[str]:
    """One line per field in which two specs' defining values differ: `optimiser.batch was 64, is 32`."""
    if isinstance(saved, dict) and isinstance(current, dict):
        names = [*saved, *(name for name in current if name not in saved)]
        inner = [difference(saved.get(name), current.get(name), f"{field}.{name}".strip(".")) for name in names]
        return [line for lines in inner for line in lines]
    return [] if saved == current else [f"{field} was {saved}, is {current}"]


def with_scores(state: State, scores: Mapping[str, float]) -> State:
    """The state with its scores, and the best score so far."""
    score = scores[SCORE]
    better = state.best is None or score > state.best
    return replace(
        state, scores=dict(scores), best=score if better else state.best, stale=0 if better else state.stale + 1
    )


def _header(url: str) -> dict[str, Any]:
    """The metadata, without the tensors."""
    with store.open_input(url) as stream:
        size = int.from_bytes(stream.read(8), "little")
        try:
            found: dict[str, Any] = json.loads(json.loads(stream.read(size))["__metadata__"]["deglu"])
        except (ValueError, KeyError, MemoryError, OverflowError):
            raise InputError(
                f"{url}: not a checkpoint of a training; remove it, or choose another checkpoints.url"
            ) from None
    return found
