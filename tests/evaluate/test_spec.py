from typing import Any

import pytest

from embed.errors import SpecError
from evaluate.spec import EvaluateSpec, TaskSpec

FR_EN = {"benchmark": "asterisk", "query_lang": "fr", "document_lang": "en", "part": "test"}
GATE = "recall@10[asterisk test fr->en] >= 0.5"


def parse(**changes: Any) -> EvaluateSpec:
    return EvaluateSpec.parse({"model": "demo", "tasks": [FR_EN], "output": "out", **changes})


def test_names_say_who_asks_whom() -> None:
    spoken = TaskSpec.model_validate(FR_EN)
    assert spoken.name == "asterisk test fr->en"
    assert spoken.model_copy(update={"direction": "text-to-speech"}).name == "asterisk test typed fr->en"
    assert spoken.model_copy(update={"direction": "text-to-text"}).name == "asterisk test text-to-text fr->en"


def test_choices_are_made_on_dev_unless_said() -> None:
    assert TaskSpec(benchmark="tuxpaint").part == "dev"


def test_where_it_is_written_does_not_change_what_it_is() -> None:
    assert parse(output="here").identity() == parse(output="there").identity()
    assert parse(seed=1).identity() != parse(seed=2).identity()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gates": ["recall@10[asterisk fr->en] >= 0.5"]}, "give one of: asterisk test fr->en"),
        ({"gates": [GATE], "systems": ["ridge"]}, "late-fusion is not among the systems; add it"),
        ({"gates": [GATE, "recall@10 > 1"]}, r"field 'gates.1' = 'recall@10 > 1': at its end: \[ is missing"),
        (
            {"gates": [{"task": "asterisk test fr->en", "dim": 64, "at_least": 0.5}]},
            r"write 'recall@10\[asterisk test fr->en, dim=64\] >= 0.5'",
        ),
        ({"systems": ["dual"]}, "give both or neither"),
        (
            {"systems": ["late-fusion", "oracle"]},
            "systems.1' = 'oracle': no system has this name; give",
        ),
        ({"hearing": {"language": "guessed"}}, "'given' or 'detected'"),
        ({"dual": "demo"}, "give both or neither"),
        ({"other": "demo"}, "give both or neither"),
        ({"hearing": {"weight": -1}}, "hearing.weight"),
        ({"gates": ["recall@10[asterisk test fr->en, dim=100] >= 0"], "dims": [384, 64]}, "100 is not among the dims"),
        ({"gates": ["recall@5[asterisk test fr->en] >= 0"]}, "R@5 is not among the measures"),
        ({"ranks": {"systems": ["ceiling"]}, "systems": ["ridge"]}, "ceiling in ranks.systems is not among"),
        ({"ranks": {"codes": ["zip"]}}, "no code has this name; give one of prefix, pca"),
        ({"cost": {"core_hour": -1}}, "cost.core_hour"),
        ({"measures": ["RR@101"]}, "no measure is called 'RR@101'"),
        ({"tasks": [FR_EN, FR_EN]}, r"tasks.0 \(asterisk\) and tasks.1 \(asterisk\) are both called 'asterisk test fr"),
        ({"tasks": []}, "nothing is measured; give `tasks`, `intents` or both"),
        ({"systems": ["late-fusion"], "baseline": "ridge"}, "not among the systems"),
        ({"taks": []}, "unknown field 'taks'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_mistakes_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        parse(**changes)
    assert "\n" not in str(caught.value)


def test_the_former_fields_of_tasks_are_refused_with_those_of_now() -> None:
    former = {"source": "asterisk", "speech_lang": "fr", "text_lang": "en"}
    for direction, langs in (("speech-to-text", ("fr", "en")), ("text-to-speech", ("en", "fr"))):
        cure = f"write benchmark: asterisk, query_lang: {langs[0]}, document_lang: {langs[1]}"
        with pytest.raises(SpecError, match=f"source, speech_lang, text_lang: a task names .*; {cure}"):
            parse(tasks=[{**former, "direction": direction}])


def test_tasks_of_benchmarks_have_their_folders_names() -> None:
    task = TaskSpec.model_validate({"benchmark": "s3://b/radio/", "part": "test", "document_lang": "wo"})
    assert task.name == "radio test *->wo"
    assert task.model_copy(update={"label": "mine", "document_lang": None}).name == "mine test"
    two = [{"benchmark": "a/x"}, {"benchmark": "b/x"}]
    with pytest.raises(
        SpecError,
        match=r"tasks.0 \(a/x\) and tasks.1 \(b/x\) are both called 'x dev'; remove one, or give one of them a `label`",
    ):
        EvaluateSpec.parse({"model": "demo", "output": "out", "tasks": two})


def test_measures_have_the_names_of_ir_measures() -> None:
    wanted = parse(measures=["mrr@10", "recall@100", "NDCG@10", "success@5"])
    assert wanted.measures == ("nDCG@10", "RR@10", "R@100", "Success@5")
    assert parse().measures == ("nDCG@10", "nDCG@5", "R@10", "R@100", "RR@10", "Success@1")


def test_systems_are_compared_to_the_ceiling_where_no_baseline_is_given() -> None:
    assert parse(baseline="ridge").compared_to == "ridge"
    assert parse(systems=["late-fusion", "ceiling"]).compared_to == "ceiling"
    assert parse(systems=["late-fusion"]).compared_to is None
