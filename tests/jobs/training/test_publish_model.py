"""A card says what a stranger asks: what it is, of what, how good, its limits and licences."""

from typing import Any

from jobs.training.publish_model import card
from tests.towers import Tiny, encoder_values
from train.spec import TrainSpec

METRICS: dict[str, Any] = {
    "examples": {"train": 22, "dev": 5, "test": 13},
    "hours": {"train": 1.25, "dev": 0.5},
    "dropped": {"silent": 2, "missing": 1},
    "dev": {
        "speech_to_text@32": {"mean": 0.5, "low": 0.4, "high": 0.6},
        "speech_to_text@8": {"mean": 0.4, "low": 0.3, "high": 0.5},
    },
    "training": {
        "runs": [
            {"seed": 0, "best_epoch": 2, "steps": 40, "epochs": 4, "stopped": "the last epoch is done", "seconds": 12.0}
        ],
        "trained_parameters": 2080,
    },
    "ridge": {"chosen": 10.0, "learnt_from": "all", "dev_speech_to_text_by_strength": {"10.0": 0.25}},
    "hybrid": {
        "folder": "hybrid",
        "asr": "packaged:whisper-base",
        "langs": ["fr"],
        "weight": 0.5,
        "hypotheses": 5,
        "dev_speech_to_text_by_weight": {"0.0": 0.5, "0.5": 0.55},
    },
}


def spec_of(tiny: Tiny, **changed: Any) -> TrainSpec:
    sources = [{"name": "asterisk", "langs": ["fr"]}]
    return TrainSpec.parse({"encoder": encoder_values(tiny), "sources": sources, "output": "out", **changed})


def test_a_card_of_late_fusion(tiny: Tiny) -> None:
    said = card(spec_of(tiny, target_langs=["en"]), METRICS)
    assert said.startswith("# Late fusion of ")
    for wanted in (
        "2,080 parameters, 40 steps of 64 examples in 12 s",
        "Epoch 3 was best on dev.",
        "| speech to text | 0.500 [0.40, 0.60] | 0.400 [0.30, 0.50] |",
        "| | 32 | 8 |",
        "Left out: 2 silent; 1 missing.",
        "22 train, 5 dev, 13 test (1.2 h train, 0.5 h dev)",
        "Ridge regression on the same clips: 0.250",
        "weight 0.5 gave 0.550",
        "`asterisk-core-sounds-fr` (CC-BY-SA-3.0)",
        "deglu train train.yaml",
    ):
        assert wanted in said, wanted


def test_a_card_of_several_members_tells_of_each(tiny: Tiny) -> None:
    first = METRICS["training"]["runs"][0]
    runs = [first, {**first, "seed": 1, "best_epoch": 3, "seconds": 10.0}]
    encoder = encoder_values(tiny)
    encoder["fusion"]["members"] = 2
    said = card(spec_of(tiny, encoder=encoder), {**METRICS, "training": {"runs": runs, "trained_parameters": 4160}})
    assert "in 2 fusions, whose vectors are averaged; 40 steps of 64 examples each, 22 s on 2 workers" in said
    assert "Epochs 3 (seed 0), 4 (seed 1) were best on dev." in said


def test_a_card_of_independent_heads_warns(tiny: Tiny) -> None:
    encoder = {**encoder_values(tiny), "head": {"independent": True}}
    del encoder["fusion"]
    said = card(spec_of(tiny, strategy="dual", encoder=encoder), {**METRICS, "hybrid": None})
    assert "no prefix of a vector is valid" in said
    assert "hybrid" not in said


def test_a_card_of_ridge_has_no_steps(tiny: Tiny) -> None:
    encoder = {**encoder_values(tiny), "head": {"pooling": "mean"}}
    del encoder["fusion"]
    metrics = {name: value for name, value in METRICS.items() if name not in ("training", "hybrid")}
    assert "in closed form, strength 10.0 chosen on dev" in card(
        spec_of(tiny, strategy="ridge", encoder=encoder), metrics
    )


def test_a_card_of_a_text_tower_names_what_taught_it(tiny: Tiny) -> None:
    encoder = {name: value for name, value in encoder_values(tiny).items() if name not in ("fusion", "speech")}
    texts = [{"name": "manuals", "langs": ["en", "fr"]}]
    spec = TrainSpec.parse({"strategy": "text", "encoder": encoder, "texts": texts, "output": "out"})
    assert "`developers-reference-fr` (GPL-2+)" in card(spec, {**METRICS, "hours": {}, "ridge": None, "hybrid": None})
