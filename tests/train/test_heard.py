"""How much of each source an epoch hears."""

from dataclasses import replace

from train.curate.clip import Clip
from train.curate.sources import synthetic
from train.heard import heard, source_name
from train.spec import SourceSpec

RECORDED = SourceSpec.parse({"name": "tuxpaint", "langs": ("fr",)})
MADE_UP = SourceSpec.parse({"name": "synthetic", "langs": ("fr",), "share": 0.5, "until": 0.5})
MEMBERS = range(110)


CLIPS = [
    Clip(source, f"{source}:{i}", "fr", "oui", f"{i}.wav", {"fr": "oui"}, duration_s=1.0, size=1)
    for i, source in enumerate(["tux"] * 10 + [synthetic.SOURCE] * 100)
]


def found(epoch: int, seed: int = 0) -> list[int]:
    return heard(CLIPS, MEMBERS, [RECORDED, MADE_UP], seed=seed, epoch=epoch, epochs=4)


def test_a_source_without_a_share_is_heard_whole() -> None:
    assert heard(CLIPS, MEMBERS, [RECORDED], seed=0, epoch=0, epochs=1) == list(MEMBERS)
    assert found(0)[:10] == list(range(10))


def test_a_share_is_of_the_others_and_drawn_anew_each_epoch() -> None:
    first, second = found(0), found(1)
    assert len(first) == len(second) == 15
    assert first[10:] != second[10:]
    assert first == found(0)
    assert first != found(0, seed=1)
    assert first == sorted(first)


def test_behind_its_time_a_source_is_silent() -> None:
    assert found(2) == found(3) == list(range(10))


def test_a_share_of_nothing_is_all() -> None:
    alone = heard(CLIPS, MEMBERS[10:], [MADE_UP], seed=0, epoch=0, epochs=4)
    assert alone == list(MEMBERS[10:])


def test_a_source_named_twice_has_a_rule_for_each_of_its_languages() -> None:
    other = [replace(clip, lang="bg", key=f"{clip.key}:bg") for clip in CLIPS[10:]]
    rarer = SourceSpec.parse({"name": "synthetic", "langs": ("bg",), "share": 0.2})
    found = heard([*CLIPS, *other], range(210), [RECORDED, MADE_UP, rarer], seed=0, epoch=0, epochs=4)
    assert [sum(low <= one < high for one in found) for low, high in ((0, 10), (10, 110), (110, 210))] == [10, 5, 2]
    late = heard([*CLIPS, *other], range(210), [RECORDED, MADE_UP, rarer], seed=0, epoch=3, epochs=4)
    assert [one >= 110 for one in late] == [False] * 10 + [True] * 2


def test_clips_of_a_manifest_know_it_by_its_name() -> None:
    radio = SourceSpec.parse({"name": "manifest", "url": "/data/radio.jsonl"})
    assert source_name(radio) != source_name(RECORDED) == "tux"
