"""A tiny text tower learns which sentences say the same, with hard negatives and without."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch

from embed.errors import SpecError
from embed.model.weights import assemble
from tests.towers import Tiny, encoder_values
from tests.train.lesson import SENTENCES
from tests.train.memory_lesson import first_right
from train.events import EpochDone
from train.fit.loop import run
from train.losses import ALONE, infonce
from train.spec import TrainSpec
from train.strategies.text import TextStrategy
from train.strategy import At


@dataclass(frozen=True)
class Own:
    """Of the kind of `train.curate.text_pairs.TextPair`."""

    key: str
    query: str
    document: str
    task: str = ""
    negatives: tuple[str, ...] = ()


PAIRS = [
    Own(f"own:{i}", en, fr) for i, (en, fr) in enumerate(zip(SENTENCES["en"], SENTENCES["fr"], strict=True))
]  # fmt: skip
BACK = [Own(pair.key, pair.document, pair.query) for pair in PAIRS]
AT = At(0, 0, 0)


def text_spec(tiny: Tiny, text: str = "bert", **changed: Any) -> TrainSpec:
    values = {
        "strategy": "text",
        "encoder": encoder_values(tiny, text, speech=None),
        "texts": [{"name": "asterisk", "langs": ["en", "fr"]}],
        "output": "nowhere",
        "optimiser": {"epochs": 10, "batch": 8, "learning_rate": 0.01, "warmup_steps": 2},
    }
    return TrainSpec.parse({**values, **changed})


def strategy(spec: TrainSpec, pairs: list[Own]) -> TextStrategy:
    return TextStrategy(assemble(spec.encoder), pairs, PAIRS, spec, first_right)


@pytest.mark.slow
def test_queries_learn_to_find_their_documents(tiny: Tiny) -> None:
    spec = text_spec(tiny)
    one = strategy(spec, [*PAIRS, *BACK])
    epochs = [event for event in run(one, spec, precision="float32") if isinstance(event, EpochDone)]
    assert epochs[0].scores["score"] < 0.8
    assert epochs[-1].scores["score"] == 1
    assert set(epochs[-1].scores) == {"score", *(f"query_to_document@{dim}" for dim in (32, 16, 8))}


def test_rows_are_query_document_and_negatives_in_turn(tiny: Tiny) -> None:
    pairs = [*PAIRS[:2], Own("own:x", "a goat", "chevre", negatives=("riz a vendre", "fin"))]
    one = strategy(text_spec(tiny), pairs)
    ids, lengths = one.inputs([2, 0], AT)
    said = [*("query: a goat", "chevre", "riz a vendre", "fin"), *("query: rain", "pluie")]
    assert lengths.tolist() == [len(text) + 2 for text in said]  # a letter is a token, between <s> and </s>
    vectors = one.reader(ids, lengths)
    with torch.no_grad():
        queries = torch.from_numpy(one.model.encode(["a goat", "rain"], "query"))
        documents = torch.from_numpy(one.model.encode(["chevre", "pluie"], "document"))
        hard = torch.from_numpy(one.model.encode(["riz a vendre", "fin"], "document"))
    negatives = torch.stack([hard, torch.zeros(2, 32)])
    wanted = infonce(queries, documents, dims=(32, 16, 8), negatives_BKD=negatives)
    found = one.loss(vectors, [2, 0], AT, ALONE)["loss"]
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


def test_what_says_the_same_is_no_negative(tiny: Tiny) -> None:
    doubled = [PAIRS[0], Own("own:other", "Rain!", "tout autre"), Own("own:third", "le vent", "wind", "", ("Pluie",))]
    one = strategy(text_spec(tiny), doubled)
    rows = torch.arange(3)
    # The first two ask the same; the third's negative says the first one's document.
    assert one._meaning.same(rows, rows).int().tolist() == [
        [1, 1, 0, 0, 0, 1],
        [1, 1, 0, 0, 0, 0],
        [0, 0, 1, 0, 0, 0],
    ]


def test_a_task_is_put_before_its_query(tiny: Tiny) -> None:
    values = encoder_values(tiny, speech=None)
    values["text"] = values["text"] | {"query": "{task}: ", "task": "find"}
    one = strategy(text_spec(tiny, encoder=values), [Own("a", "no", "non", "ask"), Own("b", "no", "non")])
    _, lengths = one.inputs([0, 1], AT)
    assert lengths.tolist() == [len("ask: no") + 2, 5, len("find: no") + 2, 5]


@pytest.mark.parametrize("text", ["bert", "qwen3"])
def test_the_last_layers_are_trained_and_what_is_behind_them(tiny: Tiny, text: str) -> None:
    one = strategy(text_spec(tiny, text, train_layers=1), PAIRS)
    names = set(one.parameters())
    assert names
    assert all(".1." in name or name.endswith("norm.weight") for name in names)
    every = strategy(text_spec(tiny, text), PAIRS)
    assert names < set(every.parameters())
    assert any("embed" in name for name in every.parameters())


def test_more_layers_than_there_are_are_refused(tiny: Tiny) -> None:
    with pytest.raises(SpecError, match="field 'train_layers' = 3: the text tower has 2 layers"):
        strategy(text_spec(tiny, train_layers=3), PAIRS)


def test_what_is_kept_is_taken_back(tiny: Tiny) -> None:
    one, other = strategy(text_spec(tiny), PAIRS), strategy(text_spec(tiny), PAIRS)
    with torch.no_grad():
        for value in one.parameters().values():
            value.add_(1)
    other.load(one.state())
    assert all(torch.equal(value, other.state()[name]) for name, value in one.state().items())
    with pytest.raises(SpecError, match="only one of the two has"):
        other.load({})
    assert one.names([1]) == ["own:1"]
