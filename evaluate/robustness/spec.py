"""Spec of robustness: which tasks are measured on changed recordings, and by what they are changed."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, PositiveInt, model_validator

from embed.base_spec import Spec
from evaluate.robustness.levels import LEVELS
from evaluate.systems import SystemName


def _known(name: str) -> str:
    if name not in LEVELS:
        raise ValueError(f"no change has this name; give one of {', '.join(LEVELS)}")
    return name


ChangeName = Annotated[str, AfterValidator(_known)]


class RobustnessSpec(Spec):
    """Tasks whose spoken side is changed.

    >>> from evaluate.robustness.spec import RobustnessSpec
    >>> RobustnessSpec(changes=["traffic"], levels={"traffic": [10, 0]}).levels_of("traffic")
    (10.0, 0.0)
    """

    tasks: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="names of tasks; null is all that have a spoken side"
    )
    changes: tuple[ChangeName, ...] = Field(default=tuple(LEVELS), description=f"of {', '.join(LEVELS)}")
    levels: dict[ChangeName, tuple[float, ...]] = Field(
        default={},
        description="levels of a change in place of its own: decibels of speech above noise, factors of speed",
    )
    systems: tuple[SystemName, ...] | None = Field(
        default=None, min_length=1, description="null is those of the report that read the recording"
    )
    dims: tuple[PositiveInt, ...] | None = Field(
        default=None, min_length=1, description="widths; null is the full one and 64, or the narrowest above it"
    )
    unseen: tuple[Literal["fr", "es", "it"], ...] = Field(
        default=(),
        description="languages (fr, es, it) of the reserved recordings: prompts by speakers that no training has used;"
        " they are scored once a release",
    )

    def levels_of(self, change: str) -> tuple[float, ...]:
        return self.levels.get(change, LEVELS[change].levels)

    @model_validator(mode="after")
    def _can_be_made(self) -> Self:
        for change, levels in self.levels.items():
            if change not in self.changes:
                raise ValueError(f"levels of {change!r}, which is not among the changes; add it there")
            if not levels or any(not LEVELS[change].allows(level) for level in levels):
                raise ValueError(f"levels of {change!r} are {list(levels)}; give {LEVELS[change].unit}")
        return self
