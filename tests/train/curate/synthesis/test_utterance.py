import pytest

from train.curate.synthesis.utterance import ENGINES, FASTEST, HIGHEST, LOWEST, SLOWEST, VOICES, draw_utterance


def test_an_utterance_is_always_the_same() -> None:
    first = draw_utterance("cldr:1F34E", "fr", "L’abeille", 0)
    assert first == draw_utterance("cldr:1F34E", "fr", "L’abeille", 0)
    assert first is not None
    assert (first.text, first.engine, first.voice) == ("L'abeille", "pico", "fr-FR")
    assert first != draw_utterance("cldr:1F34F", "fr", "L’abeille", 0)


@pytest.mark.parametrize("lang", ENGINES)
def test_renditions_differ_until_there_are_no_more_voices(lang: str) -> None:
    found = [draw_utterance("tux:frog", lang, "x", number) for number in range(4)]
    known = [one for one in found if one is not None]
    assert [one.engine for one in known] == list(ENGINES[lang])
    assert len(set(known)) == len(known)
    for engine in set(ENGINES[lang]):
        voices = [one.voice for one in known if one.engine == engine]
        assert len(set(voices)) == min(len(voices), len(VOICES[engine, lang]))


def test_speed_and_pitch_are_near_one_and_voices_are_all_heard() -> None:
    found = [one for i in range(100) if (one := draw_utterance(f"tux:{i}", "en", "x", 0))]
    assert all(SLOWEST <= one.speed <= FASTEST and LOWEST <= one.pitch <= HIGHEST for one in found)
    assert 25 < sum(one.pitch == 1 for one in found) < 75
    assert {one.voice for one in found} == set(VOICES["pico", "en"])
