"""Clips in their parts, and texts of all domains in equal measure; none of dev or test."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from train import data
from train.curate.sources import manuals
from train.curate.sources.clips import Clip, words
from train.curate.sources.manuals import Paragraph
from train.curate.split import split
from train.spec import SourceSpec

LANGS = ("en", "fr")


def prompts(name: str, num: int) -> SimpleNamespace:
    """A source that keeps the contract of `train.curate.sources`.

    In English alone there is a clip whose texts are those of two others: it joins one of dev with one of test.
    """

    def clips(cache: Path, langs: Sequence[str]) -> list[Clip]:
        found = []
        for lang in langs:
            for i in range(num):
                texts = {known: f"{name} {known} {i}" for known in LANGS}
                found.append(Clip(name, f"{name}:{i}", lang, texts[lang], f"{i}.wav", texts))
        if "en" in langs:
            joint = {"en": f"{name} en 6", "fr": f"{name} fr 4"}
            found.append(Clip(name, f"{name}:0-joint", "en", joint["en"], "joint.wav", joint))
        return found

    return SimpleNamespace(
        clips=clips, TEXT_LANGS=LANGS, LICENCE=f"{name} licence", PACKAGES=(f"{name}-sounds", f"{name}-texts")
    )


@pytest.fixture(autouse=True)
def sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "SOURCES", {"asterisk": prompts("asterisk", 40), "tuxpaint": prompts("tuxpaint", 8)})


def spec(name: str, *langs: str) -> SourceSpec:
    return SourceSpec.parse({"name": name, "langs": list(langs)})


def test_every_source_is_split_by_its_keys(tmp_path: Path) -> None:
    parts = data.clips_by_part([spec("asterisk", "fr", "en"), spec("tuxpaint", "fr")], tmp_path)
    clips = [clip for found in parts.values() for clip in found]
    assert len(clips) == 2 * 40 + 1 + 8
    keys = [{clip.key for clip in parts[part]} for part in ("train", "dev", "test")]
    assert not keys[0] & keys[1]
    assert not keys[0] & keys[2]
    assert not keys[1] & keys[2]
    alone = split(data.SOURCES["asterisk"].clips(tmp_path, ("fr", "en")))
    assert [clip for clip in parts["dev"] if clip.source == "asterisk"] == alone["dev"]


def test_the_split_does_not_hang_on_the_languages_asked_for(tmp_path: Path) -> None:
    both, french = (data.clips_by_part([spec("asterisk", *langs)], tmp_path) for langs in (("en", "fr"), ("fr",)))
    for part, clips in french.items():
        assert clips == [clip for clip in both[part] if clip.lang == "fr"]
    apart = split(data.SOURCES["asterisk"].clips(tmp_path, ("fr",)))
    assert apart != french  # as it would be, had the split not seen the English


def test_texts_are_of_all_domains_and_no_domain_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "TEXTS_PER_DOMAIN", 6)
    paragraphs = [Paragraph(lang, f"manual {lang} {i}", "page") for lang in LANGS for i in range(20)]
    monkeypatch.setattr(manuals, "paragraphs", lambda cache, langs: paragraphs)
    train = data.clips_by_part([spec("asterisk", "fr"), spec("tuxpaint", "fr")], tmp_path)["train"]

    texts = data.mixed_texts(train, LANGS, True, tmp_path, seed=0)
    domains = [text.split()[0] for text in texts]
    assert {name: domains.count(name) for name in set(domains)} == {"asterisk": 6, "manual": 6, "tuxpaint": 6}
    assert texts == data.mixed_texts(train, LANGS, True, tmp_path, seed=0)
    assert texts != data.mixed_texts(train, LANGS, True, tmp_path, seed=1)
    without = data.mixed_texts(train, LANGS, False, tmp_path, seed=0)
    assert {text.split()[0] for text in without} == {"asterisk", "tuxpaint"}


def test_no_text_of_dev_or_test_orders_the_dimensions(tmp_path: Path) -> None:
    parts = data.clips_by_part([spec("asterisk", "fr", "en")], tmp_path)
    texts = {" ".join(words(text)) for text in data.mixed_texts(parts["train"], LANGS, False, tmp_path, seed=0)}
    held_out = {" ".join(words(t)) for part in ("dev", "test") for c in parts[part] for t in c.translations.values()}
    assert texts
    assert not texts & held_out


def test_each_text_once(tmp_path: Path) -> None:
    train = data.clips_by_part([spec("asterisk", "fr", "en")], tmp_path)["train"]
    texts = data.mixed_texts([*train, *train], LANGS, False, tmp_path, seed=0)
    assert len(texts) == len(set(texts)) == 2 * len({clip.key for clip in train if clip.uri != "joint.wav"})


def test_licences_are_listed_by_package() -> None:
    found = data.licences([spec("asterisk", "fr"), spec("tuxpaint", "fr")], with_manuals=False)
    assert found == {
        "asterisk-sounds": "asterisk licence",
        "asterisk-texts": "asterisk licence",
        "tuxpaint-sounds": "tuxpaint licence",
        "tuxpaint-texts": "tuxpaint licence",
    }
    assert set(data.licences([], with_manuals=True)) == set(manuals.PACKAGES)
