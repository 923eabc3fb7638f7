"""Row of CUTS while its unit is cut: the segments found so far, the failures, the seconds lost."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from embed import identity
from embed.encoder import FloatArray
from embed.errors import InputError
from embed.segmentation.spans import Coverage
from embed.tables import CutUnit, FailureRow, Segment, Unit, failure_row
from embed.text.documents import Broken

_REPORTED = 100  # broken rows of a unit that are reported one by one


@dataclass
class CutRow:
    """A unit that is being cut; `stage` is the stage that failures name."""

    unit: Unit
    stage: str = "probe"
    signal: FloatArray | None = None
    segments: list[Segment] = field(default_factory=list)
    failures: list[FailureRow] = field(default_factory=list)
    seconds: Coverage = field(default_factory=lambda: Coverage(0.0, 0.0, 0.0, 0.0))
    reason: str | None = None  # why there are no segments, where that is no failure

    def fail(self, error: Exception, span: tuple[int, int | None] | None = None) -> None:
        """Add a failure of `span`, else of the whole unit; its lost time is what the unit has lost so far."""
        kind, lost_s = type(error).__name__, self.seconds.lost_s
        self.failures.append(failure_row(self.unit, self.stage, kind, str(error), span=span, lost_s=lost_s))

    def keep(
        self,
        cutting: str,
        start: int,
        end: int,
        item: str | None = None,
        place: int | None = None,
        *,
        text: str | None = None,
        lang: str | None = None,
        metadata: Sequence[tuple[str, str]] = (),
        offset: int | None = None,
        length: int | None = None,
    ) -> None:
        """Add a segment; its id is made from its place and the fingerprint of `cutting`."""
        unit = self.unit
        name = identity.segment_id(unit["asset_id"], unit["content_version"], cutting, start, end, item, place)
        self.segments.append(
            Segment(
                segment_id=name,
                start=start,
                end=end,
                item=item,
                text=text,
                lang=lang,
                metadata=list(metadata),
                offset=offset,
                length=length,
            )
        )

    def values(self) -> CutUnit:
        return {
            **self.unit,
            "signal": None if self.signal is None else self.signal.tobytes(),
            "segments": self.segments,
            "failures": self.failures,
            "decoded_s": self.seconds.decoded_s,
            "not_speech_s": self.seconds.not_speech_s,
            "lost_s": self.seconds.lost_s,
            "reason": self.reason,
        }


class BrokenRows:
    """Failures of broken rows: one each up to `_REPORTED`, then one for all others, to limit their number."""

    def __init__(self, row: CutRow) -> None:
        self._row, self._num = row, 0
        self._first: Broken | None = None
        self._last: Broken | None = None

    def add(self, found: Broken) -> None:
        self._num += 1
        if self._num <= _REPORTED:
            self._row.fail(InputError(f"{self._row.unit['url']}: {found.reason}"), (found.start, found.end))
            return
        self._first, self._last = self._first or found, found

    def close(self) -> None:
        if self._first is None or self._last is None:
            return
        more = f"{self._num - _REPORTED} more, from {self._first.reason}, to {self._last.reason}"
        self._row.fail(InputError(f"{self._row.unit['url']}: {more}"), (self._first.start, self._last.end))
