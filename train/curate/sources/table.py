"""Table of sources: the names that specs may use, and the module of each.

A new source of recorded prompts is a module of this folder that implements `Source`, and its name in `SOURCES`.
Modules are imported at first use, so that specs are validated without them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Protocol, cast

from pydantic import AfterValidator

if TYPE_CHECKING:  # a spec reads no recordings
    from train.curate.clip import Clip


class Source(Protocol):
    """Recorded prompts with their texts, from a package manager."""

    SOURCE: str  # prefix of its keys
    LICENCE: str
    LANGS: tuple[str, ...]  # of its recordings
    TEXT_LANGS: tuple[str, ...]  # languages whose recordings and texts decide the split

    def packages(self, langs: Sequence[str]) -> Sequence[str]:
        """Packages that are installed for these languages."""

    def clips(self, cache: Path, langs: Sequence[str], text_langs: Sequence[str] = ()) -> "list[Clip]":
        """Recordings in `langs`, with their texts in `TEXT_LANGS`, `langs` and `text_langs` where these exist."""

    def captions(self, cache: Path, langs: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        """Name of the prompt -> language -> text, recorded or not; keys of clips are `SOURCE:name`."""


class Modules(Mapping[str, Source]):
    """Modules of this folder by name, imported at first use."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def __getitem__(self, name: str) -> Source:
        if name not in self._names:
            raise KeyError(name)
        return cast(Source, import_module(f"{__package__}.{name}"))

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _one_of(names: Iterable[str]) -> AfterValidator:
    known = tuple(names)

    def check(name: str) -> str:
        if name not in known:
            raise ValueError(f"no source has this name; give one of {', '.join(known)}")
        return name

    return AfterValidator(check)


SOURCES: Mapping[str, Source] = Modules("asterisk", "tuxpaint")
# Names in specs: sources of recorded prompts, of clips, of pairs of texts.
PromptsName = Annotated[str, _one_of(SOURCES)]
SpeechName = Annotated[str, _one_of((*SOURCES, "synthetic", "manifest"))]
TextName = Annotated[str, _one_of((*SOURCES, "manuals", "manifest"))]


def key_prefix(name: str, url: str = "") -> str:
    """Prefix of a source's keys, `Clip.source`: for a manifest, the name of its file."""
    return list_name(url) if name == "manifest" else str(import_module(f"{__package__}.{name}").SOURCE)


def list_name(url: str) -> str:
    """The file name of a manifest, without its endings."""
    return PurePosixPath(url).name.partition(".")[0]
