from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from train.curate.clip import Clip
from train.curate.sources.tuxpaint import captions, clips
from train.curate.split import split

FROG = "A frog.\nfr.utf8=Une grenouille.\nes.utf8=\nen_GB.utf8=A frog, Sir.\nwo.utf8=Mbott.\n"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A stamp of the package's shape: spoken in English and French, and in Italian without a text."""
    folder = tmp_path / "debian/tuxpaint-stamps-default_1/usr/share/tuxpaint/stamps/animals"
    folder.mkdir(parents=True)
    (folder / "frog.txt").write_text(FROG, encoding="utf-8")
    for name in ("frog_desc", "frog_desc_fr", "frog_desc_it"):
        soundfile.write(folder / f"{name}.ogg", np.zeros(16_000, dtype=np.float32), 16_000)
    soundfile.write(folder / "frog.ogg", np.zeros(16_000, dtype=np.float32), 16_000)  # it croaks
    return tmp_path


def test_a_stamp_has_a_caption_per_language(cache: Path) -> None:
    assert captions(cache) == {"animals/frog": {"fr": "Une grenouille.", "en": "A frog."}}
    assert captions(cache, ["wo"]) == {"animals/frog": {"wo": "Mbott."}}


def test_a_clip_needs_its_sound_and_its_text(cache: Path) -> None:
    found = clips(cache, ["fr", "en", "es", "it", "wo"])
    assert [(clip.key, clip.lang, clip.text, Path(clip.uri).name) for clip in found] == [
        ("tux:animals/frog", "fr", "Une grenouille.", "frog_desc_fr.ogg"),
        ("tux:animals/frog", "en", "A frog.", "frog_desc.ogg"),
    ]
    assert clips(cache, ["en"])[0].translations == {"fr": "Une grenouille.", "en": "A frog."}
    assert clips(cache, ["en"], ["wo", "it"])[0].translations["wo"] == "Mbott."


@pytest.mark.data
@pytest.mark.campaign
def test_the_real_stamps_split_as_measured(obtain: Callable[[Callable[[Path], list[Clip]]], list[Clip]]) -> None:
    test = Counter(clip.lang for clip in split(obtain(clips))["test"])
    assert test == {"fr": 245, "es": 236, "en": 14, "be": 191, "bg": 241, "el": 177}
