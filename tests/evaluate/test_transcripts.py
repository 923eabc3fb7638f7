"""Transcripts: made once a recording, in its language, and kept for the next run."""

from pathlib import Path
from typing import Any

import pytest

from embed.encoder import FloatArray
from evaluate.kept_files import FOLDER
from evaluate.models import load_models
from evaluate.transcripts import Transcripts
from tests.evaluate.shelf import clips_in, spec_of
from train.curate.clip import Clip

Asked = list[tuple[int, tuple[str, ...], int]]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    return clips_in(tmp_path_factory.mktemp("clips"))


def counted(shelf: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> tuple[Transcripts, Asked]:
    """A recogniser's transcripts, and what it is asked: waves, languages, hypotheses."""
    hearing = {"asr": str(shelf / "ears")} | changes.pop("hearing", {})
    transcripts = load_models(spec_of(shelf, "model", ["cascade"], hearing=hearing, **changes)).transcripts
    asked: Asked = []
    transcribe_waves = transcripts.recogniser.transcribe

    def transcribe(waves: list[FloatArray], langs: tuple[str, ...], hypotheses: int) -> Any:
        asked.append((len(waves), langs, hypotheses))
        return transcribe_waves(waves, langs, hypotheses)

    monkeypatch.setattr(transcripts.recogniser, "transcribe", transcribe)
    return transcripts, asked


@pytest.mark.slow
def test_a_recording_is_transcribed_once_in_its_language(
    shelf: Path, clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    transcripts, asked = counted(shelf, monkeypatch)
    assert transcripts.texts(clips) == transcripts.texts(clips[::-1])[::-1]
    assert asked == [(1, (), 1), (2, ("fr",), 1)]


@pytest.mark.slow
def test_transcripts_are_kept_by_recording_for_all_runs(
    shelf: Path, clips: list[Clip], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEGLU_CACHE", str(tmp_path))
    first, asked = counted(shelf, monkeypatch, keep=True)
    found = first.texts(clips[:2])
    again, asked_again = counted(shelf, monkeypatch, keep=True)
    assert again.texts(clips)[:2] == found
    assert (asked, asked_again) == ([(2, ("fr",), 1)], [(1, (), 1)])  # another set of recordings: the new one alone
    (file,) = (tmp_path / FOLDER).iterdir()
    more, asked_more = counted(shelf, monkeypatch, keep=True, hearing={"hypotheses": 2})
    more.texts(clips[:1])
    assert asked_more == [(1, ("fr",), 2)]  # of other settings
    assert len(list((tmp_path / FOLDER).iterdir())) == 2
    file.write_text("damaged", encoding="utf-8")
    last, asked_last = counted(shelf, monkeypatch, keep=True)
    assert last.texts(clips)[:2] == found
    assert len(asked_last) == 2
