"""Cues of a recording's transcript: the text of its segments, and the segments of `mode: transcript`.

- A cue is part of the text of a segment where they share at least half of the shorter of the two; where words have
  times of their own, each word is taken for a cue.  So a cue that lies in two stretches of speech is of the one that it
  overlaps most, and of a window around both.  The words of a cue of over 30 s are spread evenly over its time.
- In the mode `transcript` cues are joined where the pause between them is shorter than `silence_s`, up to `max_s`; as
  with speech, longer ones become windows, and shorter ones than `min_s` are dropped.
"""

from functools import lru_cache

import numpy as np

from embed.archive.joined_transcripts import DIGEST, KIND, URL
from embed.errors import OF_ONE_FILE, InputError
from embed.machine import machine_fault
from embed.quantities import many
from embed.segmentation.cut_row import CutRow
from embed.segmentation.spans import SegmentSpec, Span, ms, whole_or_windows
from embed.text.encodings import ENCODING
from embed.text.transcripts import Cue, Transcript, read_transcript

_LONG_MS = 30_000


class Cues:
    """The cues of a recording in order; at least one."""

    def __init__(self, cues: tuple[Cue, ...]) -> None:
        self._cues = cues
        # Words have the spaces between them, cues have none.
        pieces = [piece for cue in cues for piece in cue.words or _parts(cue)]
        pieces.sort(key=lambda one: one.start_ms)
        self._texts = [one.text for one in pieces]
        self._start = np.asarray([one.start_ms for one in pieces])
        self._end = np.asarray([one.end_ms for one in pieces])

    def text(self, span: Span) -> str | None:
        """What is spoken in a segment; None where that is nothing."""
        shared = np.minimum(self._end, span[1]) - np.maximum(self._start, span[0])
        least = np.minimum(self._end - self._start, span[1] - span[0])
        mine = (self._texts[place] for place in np.flatnonzero(2 * shared >= least))
        return " ".join("".join(mine).split()) or None

    def spans(self, spec: SegmentSpec, end_ms: int) -> list[Span]:
        """The segments that follow the cues, sorted, as far as the recording has them."""
        joined: list[Span] = []
        for start, end in ((cue.start_ms, min(cue.end_ms, end_ms)) for cue in self._cues if cue.start_ms < end_ms):
            if joined and start - joined[-1][1] < ms(spec.silence_s) and end - joined[-1][0] <= ms(spec.max_s):
                joined[-1] = (joined[-1][0], max(joined[-1][1], end))
            else:
                joined.append((start, end))
        found = {part for span in joined for part in whole_or_windows(span, spec)}
        return sorted(span for span in found if span[1] - span[0] >= ms(spec.min_s))

    def after(self, end_ms: int) -> list[Cue]:
        """The cues that begin at or after the end of the recording."""
        return [cue for cue in self._cues if cue.start_ms >= end_ms]


def _parts(cue: Cue) -> list[Cue]:
    """A cue without times of its words, or its words where it is long."""
    words = cue.text.split()
    if cue.end_ms - cue.start_ms <= _LONG_MS or len(words) < 2:
        return [cue._replace(text=f" {cue.text}")]
    ends = np.cumsum([len(word) + 1 for word in words])
    places = np.round(cue.start_ms + (cue.end_ms - cue.start_ms) * ends / ends[-1]).astype(int).tolist()
    return [
        Cue(start, max(end, start + 1), f" {word}")
        for word, start, end in zip(words, [cue.start_ms, *places], places, strict=False)
    ]


def cues_of(row: CutRow) -> Cues | None:
    """The cues of a unit's recording; None where it has no transcript, or one without a cue.

    What is wrong with a transcript is a failure of the recording's first unit; the recording itself is cut without it.
    """
    settings, is_first = dict(row.unit["columns"] or ()), row.unit["start"] == 0
    if not settings.get(DIGEST):
        return None
    url = settings[URL]
    try:
        found = _read(url, settings[DIGEST], settings.get(ENCODING), settings.get(KIND, ""))
    except OF_ONE_FILE as error:
        if machine_fault(error):
            raise
        if is_first:
            row.fail(error)
        return None
    if found.left_out and is_first:
        num = many(found.left_out, "cue")
        row.fail(InputError(f"{url}: {num} left out, whose times or text cannot be: the first is {found.example}"))
    return Cues(found.cues) if found.cues else None


def report_late(row: CutRow, cues: Cues, end_ms: int) -> None:
    """A failure where cues begin after the end of the recording."""
    if late := cues.after(end_ms):
        what = f"{many(len(late), 'cue')} after the end of the recording, {end_ms / 1000:g} s"
        url = dict(row.unit["columns"] or ())[URL]
        last = f"the last begins at {late[-1].start_ms / 1000:g} s"
        row.fail(InputError(f"{url}: {what}: {last}; is it the transcript of another recording?"), is_loss=False)


@lru_cache(maxsize=4)  # the units of a recording come one after the other
def _read(url: str, digest: str, encoding: str | None, kind: str) -> Transcript:
    return read_transcript(url, encoding, kind) or Transcript(())
