"""Row of CUTS while its unit is cut: the segments found so far, the failures, the seconds lost."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from embed import identity
from embed.encoder import FloatArray
from embed.errors import InputError
from embed.segmentation.spans import Coverage
from embed.tables import SPEECH, CutUnit, FailureRow, Segment, Unit, failure_row
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
    digest: bytes | None = None  # of the file's content
    print: bytes | None = None  # fingerprint of the sound, packed

    def fail(self, error: Exception, span: tuple[int, int | None] | None = None, *, is_loss: bool = True) -> None:
        """Add a failure of `span`, else of the whole unit; its lost time is what the unit has lost so far."""
        kind, lost_s = type(error).__name__, self.seconds.lost_s if is_loss else 0.0
        self.failures.append(failure_row(self.unit, self.stage, kind, str(error), span=span, lost_s=lost_s))

    def refuse(self) -> None:
        """Fail as the asset was listed, without opening it; a stretch of a recording is lost."""
        kind, _, message = str(self.unit["problem"]).partition(": ")
        start, end = self.unit["start"], self.unit["end"]
        lost_s = (end - start) / 1000 if self.unit["modality"] == SPEECH and end is not None else 0.0
        self.seconds = Coverage(lost_s, 0.0, 0.0, lost_s)
        self.failures.append(failure_row(self.unit, self.stage, kind, message, lost_s=lost_s))

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
            "digest": self.digest,
            "print": self.print,
        }


class BrokenRows:
    """Failures of broken rows: one each up to `_REPORTED`, then one for all others, to limit their number.

    Those with bytes that are no characters have one cause, and are one failure.
    """

    def __init__(self, row: CutRow) -> None:
        self._row, self._num = row, 0
        self._more, self._undecodable = _Together(), _Together()

    def add(self, found: Broken) -> None:
        if found.undecodable:
            self._undecodable.add(found)
            return
        self._num += 1
        if self._num <= _REPORTED:
            self._fail(found.reason, (found.start, found.end))
        else:
            self._more.add(found)

    def close(self) -> None:
        if self._undecodable.num:
            more = f", and {self._undecodable.num - 1} more" if self._undecodable.num > 1 else ""
            cure = "correct it, or set the `encoding` of its input where all of the file has another"
            self._fail(f"{self._undecodable.first}{more}; {cure}", self._undecodable.span)
        if self._more.num:
            more = f"{self._more.num} more, from {self._more.first}, to {self._more.last}"
            self._fail(more, self._more.span)

    def _fail(self, reason: str, span: tuple[int, int]) -> None:
        self._row.fail(InputError(f"{self._row.unit['url']}: {reason}"), span)


@dataclass
class _Together:
    """Broken rows that are one failure."""

    num: int = 0
    first: str = ""
    last: str = ""
    span: tuple[int, int] = (0, 0)

    def add(self, found: Broken) -> None:
        self.first = self.first or found.reason
        self.span = (self.span[0] if self.num else found.start, found.end)
        self.num, self.last = self.num + 1, found.reason
