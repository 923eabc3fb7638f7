"""The text stage against sentence-transformers' trainer: MatryoshkaLoss around MultipleNegativesRankingLoss.

Same tower, all of it trained; same pairs and prefixes, batch and dims; one thread each.  Ours uses both directions at
every dim and sorts by length; the peer runs with its defaults (float32) and, where the hardware has it, in bfloat16.
"""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from math import nan
from typing import Any

import torch
from transformers import TrainerCallback

from embed.model.packaged.resolve import resolve
from embed.model.towers.precision import effective_precision
from embed.model.weights import assemble
from evaluate.bench.embed.samples import SEED, texts
from evaluate.bench.embed.text import E5, PREFIX
from evaluate.bench.shape import Row
from evaluate.bench.turns import Alive, Player, Start, measured, playing, processes
from evaluate.measures.metrics import ndcg_at_10
from train.events import StepDone
from train.fit.loop import run
from train.spec import TrainSpec
from train.strategies.text import TextStrategy

QUERY, DIMS = "query: ", (384, 256, 128, 64, 32)
RATE, SCALE = 2e-5, 20.0
OURS, PEER = "ours", "sentence-transformers' trainer"
NEEDED = ("sentence_transformers", "accelerate", "datasets")
GOAL = 1.0
SPARE = 4  # steps that are prepared ahead and not run


@dataclass(frozen=True)
class Pair:
    """See `train.strategies.text.Pair`."""

    key: str
    query: str
    document: str
    task: str = ""
    negatives: tuple[str, ...] = ()


def text_rows(turns: int, per_turn: int, batch: int) -> list[Row]:
    """Pairs a CPU second and peak memory, against each form of the peer."""
    task = {"per_turn": per_turn, "batch": batch, "pairs": ((turns + 1) * per_turn + SPARE) * batch}
    what = f"text tower taught whole, batches of {batch} pairs"
    missing = [name for name in NEEDED if not find_spec(name)]
    best = effective_precision("auto", "cpu")
    peers = {} if missing else {f"{PEER}, {one}": one for one in dict.fromkeys(("float32", best))}
    ways: dict[str, Start] = {OURS: partial(ours, task)}
    ways |= {name: partial(peer, {**task, "name": name, "precision": one}) for name, one in peers.items()}
    spent = measured(ways, turns)
    speed = {name: per_turn * batch / one.cpu_s for name, one in spent.items()}
    if missing:
        reason = f"{missing[0]} is not installed: deglu[bench]"
        return [Row(what, PEER, speed[OURS], None, "pairs/cpu-s", GOAL, reason)]
    rows = [Row(f"{what}, {best}", name, speed[OURS], speed[name], "pairs/cpu-s", GOAL) for name in peers]
    peak = spent[OURS].peak_mb
    return rows + [Row(f"{what}, peak", name, peak, spent[name].peak_mb, "MB", lower_is_better=True) for name in peers]


def pairs(num: int) -> list[Pair]:
    """Texts of mixed length, paired in order: their content does not change the cost of a step."""
    some, _ = texts(2 * num)
    return [
        Pair(str(i), query, document) for i, (query, document) in enumerate(zip(some[::2], some[1::2], strict=True))
    ]


def text_spec(batch: int) -> TrainSpec:
    tower = {"name": E5, "pooling": "mean", "query": QUERY, "document": PREFIX}
    values = {
        "strategy": "text",
        "encoder": {"text": tower, "dims": list(DIMS)},
        "texts": [{"name": "asterisk", "langs": ["en", "fr"]}],
        "loss": {"temperature": 1 / SCALE},
        "output": "nowhere",
        "optimiser": {"epochs": 1, "batch": batch, "learning_rate": RATE, "warmup_steps": 0},
        "seed": SEED,
    }
    return TrainSpec.parse(values)


def ours(task: Mapping[str, Any], port: int) -> AbstractContextManager[Alive]:
    return processes(our_worker, 1, (dict(task), port))


def our_worker(_: int, task: Mapping[str, Any], port: int) -> None:
    torch.set_num_threads(1)
    with playing(port, OURS, task["per_turn"]) as player:
        spec = text_spec(task["batch"])
        strategy = TextStrategy(assemble(spec.encoder), pairs(task["pairs"]), [], spec, ndcg_at_10)
        player.play(our_steps(strategy, spec))


def our_steps(strategy: TextStrategy, spec: TrainSpec) -> Iterator[float]:
    for event in run(strategy, spec):
        if isinstance(event, StepDone):
            yield event.losses["loss"]


def peer(task: Mapping[str, Any], port: int) -> AbstractContextManager[Alive]:
    return processes(peer_worker, 1, (dict(task), port))


def peer_worker(_: int, task: Mapping[str, Any], port: int) -> None:
    torch.set_num_threads(1)
    with playing(port, task["name"], task["per_turn"]) as player, tempfile.TemporaryDirectory() as folder, silence():
        trainer = peer_trainer(pairs(task["pairs"]), task["batch"], task["precision"], folder)
        trainer.add_callback(InTurns(player))
        trainer.train()


@contextmanager
def silence() -> Iterator[None]:
    """No progress bars and summaries of the library; the player reports errors."""
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield


def peer_trainer(some: list[Pair], batch: int, precision: str, folder: str) -> Any:
    """The library's own trainer, without checkpoints and reports."""
    library: Any = import_module("sentence_transformers")
    losses: Any = import_module("sentence_transformers.sentence_transformer.losses")
    columns = {"anchor": [QUERY + one.query for one in some], "positive": [PREFIX + one.document for one in some]}
    data = import_module("datasets").Dataset.from_dict(columns)
    model = library.SentenceTransformer(resolve(E5), device="cpu", model_kwargs={"add_pooling_layer": False})
    loss = losses.MatryoshkaLoss(model, losses.MultipleNegativesRankingLoss(model, scale=SCALE), list(DIMS))
    arguments = library.SentenceTransformerTrainingArguments(
        output_dir=folder,
        per_device_train_batch_size=batch,
        num_train_epochs=1,
        learning_rate=RATE,
        bf16=precision == "bfloat16",
        use_cpu=True,
        seed=SEED,
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    return library.SentenceTransformerTrainer(model=model, args=arguments, train_dataset=data, loss=loss)


class InTurns(TrainerCallback):  # type: ignore[misc]
    """Lets a trainer run only in its turns."""

    def __init__(self, player: Player) -> None:
        self._player = player

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._player.wait()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        # Its batches are not ours, so its losses are not compared.
        if not self._player.step(nan):
            control.should_training_stop = True
