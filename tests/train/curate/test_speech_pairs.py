"""Clips in their parts, and texts of all domains in equal measure; none of dev or test."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from embed.errors import InputError, SpecError
from train.curate import speech_pairs as data
from train.curate.clip import Clip, text_key
from train.curate.dropped import HELD_OUT_TEXT, Dropped
from train.curate.sources import manuals
from train.curate.sources.manuals import Paragraph
from train.curate.sources.vocabulary import HELD_OUT
from train.curate.split import split
from train.curate.synthesis import pico
from train.frozen import nesting_texts as module
from train.frozen.nesting_texts import nesting_texts
from train.spec import SourceSpec, TextSourceSpec

LANGS = ("en", "fr")


def prompts(name: str, num: int) -> SimpleNamespace:
    """A source that keeps the contract `train.curate.sources.table.Source`.

    In English alone there is a clip whose texts are those of two others: it joins one of dev with one of test.
    In Spanish there are recordings of all prompts, the last of which have texts of others, and of one more.
    """

    def clips(cache: Path, langs: Sequence[str], text_langs: Sequence[str] = ()) -> list[Clip]:
        found = []
        for lang in langs:
            for i in range(num + (lang == "es")):
                texts = {known: f"{name} {known} {i}" for known in dict.fromkeys((*LANGS, *langs, *text_langs))}
                found.append(Clip(name, f"{name}:{i}", lang, texts[lang], f"{i}.wav", texts))
        if "en" in langs:
            joint = {"en": f"{name} en 6", "fr": f"{name} fr 4"}
            found.append(Clip(name, f"{name}:0-joint", "en", joint["en"], "joint.wav", joint))
        return found

    return SimpleNamespace(
        clips=clips,
        LANGS=(*LANGS, "es"),
        TEXT_LANGS=LANGS,
        LICENCE=f"{name} licence",
        packages=lambda langs: [f"{name}-{lang}" for lang in langs],
    )


PROMPTS = {"asterisk": prompts("asterisk", 40), "tuxpaint": prompts("tuxpaint", 8)}


@pytest.fixture(autouse=True)
def sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "SOURCES", PROMPTS)


def spec(name: str, *langs: str) -> SourceSpec:
    return SourceSpec.parse({"name": name, "langs": list(langs)})


def by_name(parts: data.Parts) -> dict[str, list[Clip]]:
    return {"train": parts.train, "dev": parts.dev, "test": parts.test}


def test_every_source_is_split_by_its_keys(tmp_path: Path) -> None:
    found = data.clips_by_part([spec("asterisk", "fr", "en"), spec("tuxpaint", "fr")], tmp_path)
    assert len(found.train) + len(found.dev) + len(found.test) == 2 * 40 + 1 + 8
    keys = [{clip.key for clip in clips} for clips in by_name(found).values()]
    assert not keys[0] & keys[1]
    assert not keys[0] & keys[2]
    assert not keys[1] & keys[2]
    alone = split(PROMPTS["asterisk"].clips(tmp_path, ("fr", "en")))
    assert [clip for clip in found.dev if clip.source == "asterisk"] == alone["dev"]
    assert not found.dropped


def test_the_split_does_not_hang_on_the_languages_asked_for(tmp_path: Path) -> None:
    both, french = (
        by_name(data.clips_by_part([spec("asterisk", *langs)], tmp_path)) for langs in (("en", "fr"), ("fr",))
    )
    for part, clips in french.items():
        assert clips == [clip for clip in both[part] if clip.lang == "fr"]
    apart = split(PROMPTS["asterisk"].clips(tmp_path, ("fr",)))
    assert apart != french  # as it would be, had the split not seen the English


def test_a_language_that_is_added_follows_the_others(tmp_path: Path) -> None:
    two, three = (
        by_name(data.clips_by_part([spec("asterisk", *langs)], tmp_path)) for langs in (("fr",), ("fr", "es"))
    )
    for part, clips in three.items():
        assert [clip.key for clip in clips if clip.lang == "fr"] == [clip.key for clip in two[part]]
        homes = {clip.key for clip in clips if clip.lang == "es"} - {"asterisk:40"}
        assert homes == {clip.key for clip in two[part]}
    assert sum(len(clips) for clips in three.values()) == 40 + 41


def test_texts_of_target_languages_come_along(tmp_path: Path) -> None:
    found = data.clips_by_part([spec("asterisk", "fr")], tmp_path, ["wo"])
    assert {*found.train[0].translations} == {"en", "fr", "wo"}
    plain = data.clips_by_part([spec("asterisk", "fr")], tmp_path)
    assert [clip.key for clip in found.train] == [clip.key for clip in plain.train]


def test_training_does_not_say_what_is_held_out(tmp_path: Path) -> None:
    held_out = data.clips_by_part([spec("asterisk", "fr")], tmp_path).test[0]
    rows = [
        {"audio_filepath": "1.wav", "text": held_out.text.upper() + "!", "lang": "fr", "part": "train"},
        {"audio_filepath": "2.wav", "text": held_out.text, "lang": "de", "part": "train"},
        {"audio_filepath": "3.wav", "text": "Only here", "lang": "fr", "part": "train"},
    ]
    own = listed(tmp_path, *rows)
    found = data.clips_by_part([own, spec("asterisk", "fr")], tmp_path)
    assert [Path(clip.uri).name for clip in found.train if clip.source == "own"] == ["2.wav", "3.wav"]
    assert found.dropped == [Dropped("own:1.wav#0 (fr)", HELD_OUT_TEXT)]


def listed(folder: Path, *rows: dict[str, str], langs: Sequence[str] = ()) -> SourceSpec:
    (folder / "own.jsonl").write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return SourceSpec.parse({"name": "manifest", "url": str(folder / "own.jsonl"), "langs": list(langs)})


def test_a_manifest_is_split_by_its_keys_and_by_what_it_says(tmp_path: Path) -> None:
    rows = [{"audio_filepath": f"{i}.wav", "text": f"text {i // 2}", "lang": "fr"} for i in range(64)]
    found = data.clips_by_part([listed(tmp_path, *rows)], tmp_path)
    said = [{clip.text for clip in clips} for clips in by_name(found).values()]
    assert all(said)
    assert sum(len(texts) for texts in said) == 32  # no text is in two parts
    one = [{**rows[0], "part": "dev"}, {**rows[1], "key": "x"}, {"audio_filepath": "y.wav", "text": "y", "lang": "en"}]
    parts = data.clips_by_part([listed(tmp_path, *one, langs=["fr"])], tmp_path)
    assert [clip.key for clip in parts.dev] == ["own:0.wav#0", "own:x"]
    assert not parts.train + parts.test


def test_what_a_source_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="asterisk has no recordings in 'wo'; it has en, fr, es"):
        data.clips_by_part([spec("asterisk", "fr", "wo")], tmp_path)
    own = listed(tmp_path, {"audio_filepath": "1.wav", "text": "Oui", "lang": "fr"}, langs=["wo"])
    with pytest.raises(InputError, match=r"own\.jsonl: lists no recordings in wo; write one recording per line"):
        data.clips_by_part([own], tmp_path)


def test_texts_for_the_transform_are_of_all_domains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROMPTS_PER_SOURCE", 3)
    monkeypatch.setattr(module, "PARAGRAPHS", 6)
    paragraphs = [Paragraph(lang, f"manual {lang} {i}", "page") for lang in LANGS for i in range(20)]
    monkeypatch.setattr(manuals, "paragraphs", lambda cache, langs: paragraphs)
    train = data.clips_by_part([spec("asterisk", "fr"), spec("tuxpaint", "fr")], tmp_path).train

    found = nesting_texts(train, LANGS, True, tmp_path, seed=0)
    domains = [text.split()[0] for text in (*found.texts, *found.running)]
    assert {name: domains.count(name) for name in set(domains)} == {"asterisk": 6, "manual": 6, "tuxpaint": 6}
    assert found == nesting_texts(train, LANGS, True, tmp_path, seed=0)
    assert found != nesting_texts(train, LANGS, True, tmp_path, seed=1)
    assert nesting_texts(train, LANGS, False, tmp_path, seed=0).running == ()


def test_no_text_of_dev_or_test_orders_the_dimensions(tmp_path: Path) -> None:
    parts = data.clips_by_part([spec("asterisk", "fr", "en")], tmp_path)
    texts = {text_key(text) for text in nesting_texts(parts.train, LANGS, False, tmp_path, seed=0).texts}
    held_out = {text_key(t) for c in parts.dev + parts.test for t in c.translations.values()}
    assert texts
    assert not texts & held_out


def test_each_text_once(tmp_path: Path) -> None:
    train = data.clips_by_part([spec("asterisk", "fr", "en")], tmp_path).train
    texts = nesting_texts([*train, *train], LANGS, False, tmp_path, seed=0).texts
    assert len(texts) == len(set(texts)) == 2 * len({clip.key for clip in train if clip.uri != "joint.wav"})


def test_licences_are_listed_by_package(tmp_path: Path) -> None:
    own = listed(tmp_path, {"audio_filepath": "1.wav"})
    found = data.licences([spec("asterisk", "fr"), spec("tuxpaint", "es"), own], with_manuals=False)
    assert found == {
        "asterisk-en": "asterisk licence",
        "asterisk-fr": "asterisk licence",
        "tuxpaint-en": "tuxpaint licence",
        "tuxpaint-fr": "tuxpaint licence",
        "tuxpaint-es": "tuxpaint licence",
        "own.jsonl": "of its owner",
    }
    assert set(data.licences([], with_manuals=True)) == {"developers-reference", "developers-reference-fr"}
    texts = [TextSourceSpec.parse({"name": name, "langs": ["en"]}) for name in ("manuals", "tuxpaint")]
    found = data.licences(texts, with_manuals=False)
    assert found["developers-reference"] == "GPL-2+"
    assert "tuxpaint-en" in found
    assert "developers-reference-fr" not in found


def test_synthetic_speech_is_for_training_and_says_nothing_held_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a source that the spec does not name, in a language that is not heard, behind an article."""
    held = data.prompts_by_part("asterisk", tmp_path, ("fr",))[0]["test"][0].translations["en"]
    folder = tmp_path / "debian/tuxpaint-stamps-default_1/usr/share/tuxpaint/stamps"
    folder.mkdir(parents=True)
    for name, english in (("frog", "A frog."), ("held", f"The {held}!")):
        (folder / f"{name}.txt").write_text(f"{english}\nfr.utf8=Un texte ({name}).\n", encoding="utf-8")
    monkeypatch.setenv("PATH", "")  # no other texts
    monkeypatch.setattr(pico, "version_of", lambda name: "1")  # nothing is spoken here
    found = data.clips_by_part([spec("synthetic", "fr"), spec("tuxpaint", "fr")], tmp_path, spoken=False)
    alone = data.clips_by_part([spec("tuxpaint", "fr")], tmp_path)
    assert [(clip.key, clip.lang, clip.translations["en"]) for clip in found.train[len(alone.train) :]] == [
        ("tux:frog", "fr", "A frog.")
    ]
    assert (found.dev, found.test) == (alone.dev, alone.test)
    assert Dropped("tux:held", HELD_OUT) in found.dropped
    with pytest.raises(SpecError, match="synthetic has no voice in 'wo'; it has fr, "):
        data.clips_by_part([spec("synthetic", "wo")], tmp_path, spoken=False)
    assert data.licences([spec("synthetic", "fr")], False)["kokoro-js"] == "Apache-2.0"


def test_fields_of_synthetic_speech_are_its_own() -> None:
    found = SourceSpec.parse({"name": "synthetic", "langs": ["fr"], "most": [None, 10], "share": 0.5})
    assert (found.most, found.share, found.until) == ((None, 10), 0.5, 1.0)
    with pytest.raises(SpecError, match="allowed only with `name: synthetic`"):
        SourceSpec.parse({"name": "tuxpaint", "langs": ["fr"], "most": [2]})
    with pytest.raises(SpecError, match="until"):
        SourceSpec.parse({"name": "tuxpaint", "langs": ["fr"], "until": 0})
