"""Transcripts of a recogniser: each recording is transcribed once, for all tasks and, where they are kept, all runs.

A file of the cache folder has the transcripts of one recogniser with its settings, a line a recording: its digest by
address, stretch, language, size and time, and the texts.
"""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from embed.encoder import FloatArray
from embed.identity import digest
from embed.model.recognition.recogniser import Recogniser
from embed.model.towers.files import settings_digest, tower_digest
from evaluate.kept_files import code_digest, kept_folder, stretch_of, used, write
from train.curate.clip import Clip, read_clip

log = logging.getLogger(__name__)

Texts = tuple[str, ...]


@dataclass(frozen=True)
class Transcripts:
    """A recogniser with its settings, and the transcripts it has made so far."""

    recogniser: Recogniser
    language_given: bool  # the recogniser gets the language of a recording, where it supports it
    hypotheses: int = 1  # transcripts of each recording
    keep: bool = False
    known: dict[str, Texts] = field(default_factory=dict, compare=False)  # by digest of the recording

    def texts(
        self, clips: Sequence[Clip], read: Callable[[Clip], FloatArray] = read_clip, reader: str = ""
    ) -> list[Texts]:
        """The transcripts of each clip, likeliest first; `reader` is the name of the way it is read."""
        if self.keep and not self.known:
            self.known.update(_read(self._path))
        keys = [self._key(clip, reader) for clip in clips]
        new = {key: clip for key, clip in zip(keys, clips, strict=True) if key not in self.known}
        for langs in sorted({self._langs(clip.lang) for clip in new.values()}):
            some = {key: clip for key, clip in new.items() if self._langs(clip.lang) == langs}
            found = self.recogniser.transcribe([read(clip) for clip in some.values()], langs, self.hypotheses)
            self.known.update((key, one.texts) for key, one in zip(some, found, strict=True))
        if self.keep and new:
            # Another run may have added its own since.
            lines = _lines({**_read(self._path), **self.known})
            write(self._path, lambda file: file.write(lines))
        return [self.known[key] for key in keys]

    @cached_property
    def _path(self) -> Path:
        name = self.recogniser.name
        settings = code_digest(), tower_digest(name), settings_digest(name), self.hypotheses
        return kept_folder() / f"{digest('transcripts', *settings).hex()}.jsonl"

    def _key(self, clip: Clip, reader: str) -> str:
        return digest(repr(stretch_of(clip)), *self._langs(clip.lang), *([reader] if reader else [])).hex()

    def _langs(self, lang: str) -> Texts:
        return (lang,) if self.language_given and lang in self.recogniser.known else self.recogniser.langs


def _read(path: Path) -> dict[str, Texts]:
    if not path.is_file():
        return {}
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        found = {str(key): tuple(map(str, texts)) for key, texts in rows}
    except (OSError, ValueError, TypeError):
        log.warning("%s: damaged; transcribing again", path)
        return {}
    used(path)
    return found


def _lines(known: dict[str, Texts]) -> bytes:
    return "".join(f"{json.dumps([key, texts], ensure_ascii=False)}\n" for key, texts in known.items()).encode()
