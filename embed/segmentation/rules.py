"""Rules of cutting for speech and text: stored with a dataset, and part of every id as a fingerprint."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from pydantic import ValidationError

from embed import identity
from embed.errors import SpecError
from embed.model.handle import ModelHandle
from embed.segmentation import vad
from embed.segmentation.passages import SLACK_TOKENS, TITLE_TOKENS, PassageSpec
from embed.segmentation.spans import SegmentSpec
from embed.segmentation.tokens import special_tokens

# Raise these when the code cuts differently for the same spec: ids then change with it.
_SPEECH_RULES = 1
_TEXT_RULES = 2

_FRAME = 8  # special tokens around a text: more than any tokenizer adds


@dataclass(frozen=True)
class Cutting:
    """Rules of cutting of a dataset; with a manifest they give all units, from storage alone.

    The fingerprints depend on the rules for segments, not on the size of units: segment ids stay the same when units
    are resized.
    """

    segment: SegmentSpec
    passage: PassageSpec
    words: str  # digest of the tokenizer that counts tokens
    prints: bool = False  # whether a recording's units get a fingerprint; it changes no row

    def speech(self, tracks: Sequence[int] | None = None, transcript: str | None = None) -> str:
        """Fingerprint of all rules for cutting speech, including the network that detects it.

        Part of it are the sound tracks of a recording, unless it is the first one, as in most recordings; and the
        digest of its transcript, which decides the segments or their text: an index replaces rows by their ids.
        """
        network = None if self.segment.mode == "windows" else vad.model_digest()
        other: list[Any] = [] if tracks is None or list(tracks) == [0] else [list(tracks)]
        other += [transcript] if transcript else []
        return identity.digest("speech", _SPEECH_RULES, self.segment.cutting(), network, *other).hex()

    def text(self, columns: Mapping[str, str] | None = None) -> str:
        """Fingerprint of all rules for passages; `columns` maps id, text, title, lang to a table's own names."""
        return identity.digest("text", _TEXT_RULES, self.passage.cutting(), self.words, dict(columns or {})).hex()

    def defining(self) -> dict[str, Any]:
        """The values that define the rows, next to inputs and model: stored with the dataset, and compared later."""
        return {"segment": self.segment.defining(), "passage": self.passage.defining(), "words": self.words}

    @classmethod
    def of(cls, defining: Mapping[str, Any]) -> Self:
        """The reverse of `defining`.  Raises SpecError for values that this version of Deglu does not know."""
        try:
            segment = SegmentSpec.model_validate(defining["segment"])
            passage = PassageSpec.model_validate(defining["passage"])
            return cls(segment, passage, str(defining["words"]))
        except (KeyError, TypeError, ValidationError) as error:
            reason = " ".join(str(error).split())
            raise SpecError(
                f"this version of Deglu does not know how the dataset was cut ({reason}); use the version that made it"
            ) from None


def refuse_truncation(model: ModelHandle, passage: PassageSpec) -> None:
    """SpecError where a passage with its title, and special tokens around it, may be longer than the model takes."""
    tower = model.spec.text
    room = tower.max_tokens - TITLE_TOKENS - SLACK_TOKENS
    if passage.max_tokens + len(tower.document.encode()) + _FRAME <= room:
        return  # for any prefix, so the tokenizer, which is large, need not be loaded
    most = room - special_tokens(tower)
    if passage.max_tokens > most:
        raise SpecError(
            f"passage.max_tokens = {passage.max_tokens}: with a title and special tokens that is more than the"
            f" {tower.max_tokens} tokens that the text tower of {model.name!r} takes; set it to {most} or less"
        )


def refuse_long_speech(model: ModelHandle, segment: SegmentSpec) -> None:
    """SpecError where a segment of speech may be longer than the model takes."""
    if model.longest_s is not None and segment.max_s > model.longest_s:
        raise SpecError(
            f"segment.max_s = {segment.max_s:g}: model {model.name!r} takes at most {model.longest_s:g} s of speech; "
            "set it to that or less"
        )
