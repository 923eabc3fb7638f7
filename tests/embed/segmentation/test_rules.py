from dataclasses import replace
from pathlib import Path

import pytest

from embed.errors import SpecError
from embed.model.handle import resolve_model
from embed.segmentation.passages import PassageSpec
from embed.segmentation.rules import Cutting, refuse_truncation
from embed.segmentation.spans import SegmentSpec
from tests.towers import Tiny, encoder_values, model_in

CUTTING = Cutting(SegmentSpec(), PassageSpec(), "words")


def test_back_from_what_is_kept_with_a_dataset() -> None:
    cutting = Cutting(SegmentSpec(mode="vad", unit_s=60), PassageSpec(max_tokens=99), "words")
    assert Cutting.of(cutting.defining()) == cutting
    for damaged in ({}, {**CUTTING.defining(), "passage": {"max_chars": 1000}}, {**CUTTING.defining(), "segment": 1}):
        with pytest.raises(SpecError, match="does not know how the dataset was cut"):
            Cutting.of(damaged)


def test_fingerprints_know_not_how_large_units_are() -> None:
    small = Cutting(SegmentSpec(unit_s=60), PassageSpec(unit_bytes=10, unit_rows=1), "words")
    assert (small.speech(), small.text()) == (CUTTING.speech(), CUTTING.text())
    assert small.defining() != CUTTING.defining()


def test_fingerprints_follow_what_decides_the_segments() -> None:
    texts = {
        CUTTING.text(),
        CUTTING.text({"text": "body"}),
        replace(CUTTING, words="others").text(),
        replace(CUTTING, passage=PassageSpec(overlap_tokens=0)).text(),
    }
    assert len(texts) == 4
    assert CUTTING.text({}) == CUTTING.text(None)
    assert CUTTING.text({"text": "a", "id": "b"}) == CUTTING.text({"id": "b", "text": "a"})
    assert replace(CUTTING, words="others").speech() == CUTTING.speech()
    assert replace(CUTTING, segment=SegmentSpec(mode="vad")).speech() != CUTTING.speech()


def test_passages_that_the_tower_would_truncate_are_refused(tiny: Tiny, tmp_path: Path) -> None:
    values = encoder_values(tiny, speech=None)
    # 200 = 117 + 9 letters of the prefix + <s> and </s> + a title of 64 + 8 to spare
    values["text"] |= {"max_tokens": 200, "document": "passage: "}
    model = model_in(tmp_path / "model", values)
    refuse_truncation(resolve_model(model), PassageSpec(max_tokens=117))
    with pytest.raises(SpecError, match=r"max_tokens = 118.*200 tokens.*set it to 117 or less"):
        refuse_truncation(resolve_model(model), PassageSpec(max_tokens=118))
    refuse_truncation(resolve_model("demo"), PassageSpec())
