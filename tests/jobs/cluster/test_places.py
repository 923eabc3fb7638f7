"""A spec is sent only with places that all machines have: relative paths and paths of one machine are refused."""

from pathlib import Path
from typing import Any

import pytest

from embed.base_spec import Spec
from embed.errors import SpecError
from evaluate.spec import EvaluateSpec
from index.spec import IndexSpec
from jobs.cluster.places import PLACES, check_shared, local_places
from jobs.command.doors import DOORS, load_spec
from tests.towers import Tiny, encoder_values
from train.spec import TrainSpec

SPECS = Path(__file__).resolve().parents[3] / "deploy" / "specs"
OVERNIGHT = str(SPECS / "embed-overnight.yaml")


def embed(*overrides: str) -> Spec:
    return load_spec("embed", OVERNIGHT, overrides)


def test_urls_and_released_models_are_valid_everywhere() -> None:
    for verb in ("embed", "index"):
        assert local_places(verb, load_spec(verb, str(SPECS / f"{verb}-overnight.yaml"))) == []
    assert local_places("embed", embed("model=s3://models/mine")) == []


@pytest.mark.parametrize(
    ("override", "field"),
    [
        ("output=build/vectors", "output = build/vectors"),
        ("inputs.0.url=archive", r"inputs\.0\.url = archive"),
        ("inputs.1.url=../articles.parquet", r"inputs\.1\.url = \.\./articles\.parquet"),
        ("model=models/mine", "model = models/mine"),
        ("output=~/vectors", "output = ~/vectors"),
    ],
)
def test_a_relative_path_is_refused_with_field_value_and_cure(override: str, field: str) -> None:
    cure = r"a relative path is .* deleted with the job; give an s3:// url, or the full path .* --set"
    with pytest.raises(SpecError, match=f"^{field}: {cure}"):
        local_places("embed", embed(override))


def test_a_path_of_one_machine_is_refused_unless_all_have_it(tmp_path: Path) -> None:
    assert local_places("embed", embed(f"model={tmp_path}")) == [("model", str(tmp_path))]
    found = local_places("embed", embed("output=/data/out", "inputs.0.url=/mnt/radio/archive", "model=/models/mine"))
    assert dict(found) == {"output": "/data/out", "inputs.0.url": "/mnt/radio/archive", "model": "/models/mine"}
    check_shared(found, ["/data", "/mnt/radio", "/models/mine"])
    with pytest.raises(SpecError, match=r"^inputs\.0\.url = /mnt/radio/archive: .* add --shared /mnt/radio$"):
        check_shared(found, ["/data", "/mnt/radio/arch", "/models"])
    with pytest.raises(SpecError, match="--shared data: give the full path"):
        check_shared(found, ["data"])


def test_the_cure_works() -> None:
    found = local_places("embed", embed("output=/vectors"))
    with pytest.raises(SpecError, match=r"add --shared /vectors$") as refused:
        check_shared(found, [])
    check_shared(found, [str(refused.value).rpartition(" ")[2]])


def test_a_training_needs_a_place_that_its_workers_share(tiny: Tiny) -> None:
    values: dict[str, Any] = {
        "encoder": encoder_values(tiny),
        "sources": [{"name": "manifest", "url": "s3://b/clips.jsonl"}],
        "output": "s3://b/model",
        "work": "s3://b/work",
    }
    assert [field for field, _ in local_places("train", TrainSpec.parse(values))] == [
        "encoder.text.name",
        "encoder.speech.name",
    ]
    unset = local_places("train", TrainSpec.parse({**values, "work": ""}))
    with pytest.raises(SpecError, match=r"^work is not set: .* --set work=s3://bucket/prefix"):
        check_shared(unset[-1:], ["/"])
    with pytest.raises(SpecError, match=r"^checkpoints\.url = runs: a relative path"):
        local_places("train", TrainSpec.parse({**values, "checkpoints": {"url": "runs"}}))
    values["encoder"]["text"] = {**values["encoder"]["text"], "name": "Qwen/Qwen3-Embedding-0.6B"}
    assert [field for field, _ in local_places("train", TrainSpec.parse(values))] == ["encoder.speech.name"]


def test_the_other_verbs_name_places_too() -> None:
    index = IndexSpec(vectors="s3://b/v", output="s3://b/i", questions="/data/questions.jsonl")
    assert local_places("index", index) == [("questions", "/data/questions.jsonl")]
    task = {"benchmark": "asterisk", "query_lang": "fr", "document_lang": "en"}
    evaluated = EvaluateSpec.parse({"model": "demo", "tasks": [task], "output": "report"})
    with pytest.raises(SpecError, match=r"^output = report: a relative path"):
        local_places("evaluate", evaluated)
    for own, field in (({"benchmark": "own"}, "benchmark"), ({"benchmark": "fleurs", "data": "own"}, "data")):
        evaluated = EvaluateSpec.parse({"model": "demo", "tasks": [task, own], "output": "s3://b/report"})
        with pytest.raises(SpecError, match=rf"^tasks.1.{field} = own: a relative path"):
            local_places("evaluate", evaluated)


def test_every_verb_that_is_submitted_is_in_the_table_and_names_fields_that_exist() -> None:
    assert set(PLACES) == set(DOORS) - {"plan"}
