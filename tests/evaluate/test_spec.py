from typing import Any

import pytest

from embed.errors import SpecError
from evaluate.spec import EvaluateSpec, TaskSpec

FR_EN = {"source": "asterisk", "speech_lang": "fr", "text_lang": "en", "part": "test"}
GATE = {"task": "asterisk test fr->en", "at_least": 0.5}


def parse(**changes: Any) -> EvaluateSpec:
    return EvaluateSpec.parse({"model": "demo", "tasks": [FR_EN], "output": "out", **changes})


def test_names_say_who_asks_whom() -> None:
    spoken = TaskSpec.model_validate(FR_EN)
    assert spoken.name == "asterisk test fr->en"
    assert spoken.model_copy(update={"direction": "text-to-speech"}).name == "asterisk test typed en->fr"


def test_choices_are_made_on_dev_unless_said() -> None:
    assert TaskSpec(source="tuxpaint", speech_lang="en", text_lang="en").part == "dev"


def test_a_gate_is_read() -> None:
    (gate,) = parse(gates=[GATE]).gates
    assert (gate.system, gate.measure, gate.dim, gate.at_least) == ("late-fusion", "recall@10", None, 0.5)


def test_where_it_is_written_does_not_change_what_it_is() -> None:
    assert parse(output="here").identity() == parse(output="there").identity()
    assert parse(seed=1).identity() != parse(seed=2).identity()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gates": [{**GATE, "task": "asterisk fr->en"}]}, "give one of: asterisk test fr->en"),
        ({"gates": [GATE], "systems": ["ridge"]}, "requires it among the systems"),
        ({"systems": ["dual"]}, "give both or neither"),
        (
            {"systems": ["late-fusion", "oracle"]},
            "systems.1' = 'oracle': no system has this name; give",
        ),
        ({"gates": [{**GATE, "system": "oracle"}]}, "no system has this name"),
        ({"hearing": {"language": "guessed"}}, "'given' or 'detected'"),
        ({"dual": "demo"}, "give both or neither"),
        ({"other": "demo"}, "give both or neither"),
        ({"hearing": {"weight": -1}}, "hearing.weight"),
        ({"gates": [{**GATE, "dim": 100}], "dims": [384, 64]}, "requires it among the dims"),
        ({"gates": [{**GATE, "at_least": 50}]}, "less than or equal to 1"),
        ({"gates": [{**GATE, "measure": "recall@5"}]}, "measure"),
        ({"tasks": [FR_EN, FR_EN]}, "is listed twice"),
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


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"part": "dev"}, "give either `source`, a built-in one, or `benchmark`"),
        ({**FR_EN, "benchmark": "b"}, "give either `source`"),
        ({"source": "asterisk", "text_lang": "en"}, "a task with a source requires speech_lang"),
        ({**FR_EN, "query_lang": "fr"}, "query_lang belongs to a task with a benchmark"),
        ({**FR_EN, "direction": "text-to-text"}, "text-to-text requires a benchmark"),
        ({"benchmark": "b", "speech_lang": "fr"}, "speech_lang belongs to a task with a source"),
    ],
)
def test_a_task_has_a_source_or_a_benchmark(task: dict[str, str], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        EvaluateSpec.parse({"model": "demo", "output": "out", "tasks": [task]})


def test_tasks_of_benchmarks_have_their_folders_names() -> None:
    task = TaskSpec.model_validate({"benchmark": "s3://b/radio/", "part": "test", "document_lang": "wo"})
    assert task.name == "radio test speech-to-text *->wo"
    assert task.model_copy(update={"label": "mine", "document_lang": None}).name == "mine test speech-to-text"
    two = [{"benchmark": "a/x"}, {"benchmark": "b/x"}]
    with pytest.raises(SpecError, match="x dev speech-to-text is listed twice; remove one, or give"):
        EvaluateSpec.parse({"model": "demo", "output": "out", "tasks": two})
