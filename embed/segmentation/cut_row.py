"""A unit on its way from UNITS to CUTS: where it is, what it has found, what it has lost."""

from dataclasses import dataclass, field
from typing import Any

from embed import identity
from embed.encoder import FloatArray
from embed.errors import InputError
from embed.segmentation.spans import Coverage
from embed.text.documents import Broken

_TOLD = 100  # broken rows of a unit that are told one by one


@dataclass
class Work:
    """A unit in hand; `stage` is where we are, for failures."""

    unit: dict[str, Any]
    stage: str = "probe"
    signal: FloatArray | None = None
    segments: list[dict[str, Any]] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)
    seconds: Coverage = field(default_factory=lambda: Coverage(0.0, 0.0, 0.0, 0.0))

    def fail(self, error: Exception, span: tuple[int, int | None] | None = None) -> None:
        """Of `span`, else of the whole unit; what is lost is what the unit has lost so far."""
        start, end = span or (self.unit["start"], self.unit["end"])
        self.failures.append(
            {
                **{name: self.unit[name] for name in ("unit_id", "asset_id", "uri")},
                "stage": self.stage,
                "error_class": type(error).__name__,
                "message": str(error),
                "start": start,
                "end": end,
                "lost_s": self.seconds.lost_s,
                "attempts": 1,
            }
        )

    def keep(
        self, cutting: str, start: int, end: int, item: str | None = None, place: int | None = None, **rest: Any
    ) -> None:
        unit = self.unit
        name = identity.segment_id(unit["asset_id"], unit["content_version"], cutting, start, end, item, place)
        empty: dict[str, Any] = {"text": None, "offset": None, "length": None, "lang": None, "metadata": []}
        self.segments.append({"segment_id": name, "start": start, "end": end, "item": item, **empty, **rest})

    def row(self) -> dict[str, Any]:
        return {
            **self.unit,
            "signal": None if self.signal is None else self.signal.tobytes(),
            "segments": self.segments,
            "failures": self.failures,
            "decoded_s": self.seconds.decoded_s,
            "not_speech_s": self.seconds.not_speech_s,
            "lost_s": self.seconds.lost_s,
        }


class Several:
    """Tells of broken rows one by one, and of too many in one failure for the rest: a file of rubbish is one table."""

    def __init__(self, work: Work) -> None:
        self._work, self._num = work, 0
        self._first: Broken | None = None
        self._last: Broken | None = None

    def add(self, found: Broken) -> None:
        self._num += 1
        if self._num <= _TOLD:
            self._work.fail(InputError(f"{self._work.unit['url']}: {found.reason}"), (found.start, found.end))
            return
        self._first, self._last = self._first or found, found

    def close(self) -> None:
        if self._first is None or self._last is None:
            return
        more = f"{self._num - _TOLD} more, from {self._first.reason}, to {self._last.reason}"
        self._work.fail(InputError(f"{self._work.unit['url']}: {more}"), (self._first.start, self._last.end))
