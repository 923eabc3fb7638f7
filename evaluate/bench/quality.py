"""Bench of quality: the released model on recorded speech, against its baselines, gates and goals.

`python -m evaluate.bench.quality [--json] [--out FILE] [--n N] [--model demo] [--part test|dev]`.  nDCG@10 of spoken
questions among all texts of their source, and of typed questions among the recordings of the part; the cascade reads
as many transcripts as the model does where that is a hybrid, else one.  In addition to the rows, `goals` has every gate
and goal, `tasks` every system at every dim with 95 % intervals and paired differences.
Score test only once for a released model: use `--part dev` for experiments.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import torch

from embed.encoder import Role
from embed.model.handle import resolve_model
from embed.model.joint import JointEncoder
from embed.model.weights import assemble
from evaluate.bench.command import run_one
from evaluate.bench.quality_goals import NEVER_TRAINED, TRAINED, Goal, goals_of
from evaluate.bench.shape import Row, document
from evaluate.measures.names import NDCG
from evaluate.models import load_models
from evaluate.report.report import as_json
from evaluate.results import Report, Task
from evaluate.spec import MeasureSpec
from evaluate.tasks import measure

PEERS = ("ridge", "cascade", "ceiling")
FEW = 20  # questions a task; with fewer, one task is enough to show that the bench runs
TEXTS = ("rain", "la pluie", "Where is the goat?", "мачка", "une phrase un peu plus longue que les autres")


def bench(n: int | None = None, model: str = "demo", part: str = "test") -> dict[str, Any]:
    """All questions of every task, or the first n; with n below 20 only the first task."""
    spec = _spec(model, part)
    models = load_models(spec)
    tasks: dict[str, Task] = {}
    for one in spec.tasks[:1] if n is not None and n < FEW else spec.tasks:
        sys.stderr.write(f"{one.name}\n")
        tasks[one.name.replace(f"{part} ", "")] = measure(models, one, n)
    rows = [row for name, task in tasks.items() for row in _rows(name, task)]
    goals = [*goals_of(tasks), _unchanged(models.model)]
    found = document("quality", rows, ("torch", "transformers"))
    return found | {
        "model": model,
        "part": part,
        "goals": [asdict(goal) | {"passed": goal.passed, "met": goal.met} for goal in goals],
        "tasks": as_json(Report(tuple(tasks.values())))["tasks"],
    }


def _spec(model: str, part: str) -> MeasureSpec:
    spoken = [("tuxpaint", lang, "en") for lang in (*TRAINED, *NEVER_TRAINED)]
    spoken += [("tuxpaint", "fr", "fr"), ("asterisk", "fr", "en"), ("asterisk", "en", "fr")]
    tasks = [
        {"benchmark": name, "query_lang": asked, "document_lang": searched, "part": part, "direction": direction}
        for name, speech, text in spoken
        for asked, searched, direction in ((speech, text, "speech-to-text"), (text, speech, "text-to-speech"))
    ]
    systems = ["late-fusion", "hybrid", *PEERS]
    # A model that is no hybrid is measured with equal weights of transcript and speech.
    hearing = {} if resolve_model(model).hybrid else {"weight": 1.0}
    return MeasureSpec.parse(
        {"model": model, "tasks": tasks, "systems": systems, "baseline": "cascade", "hearing": hearing, "keep": False}
    )


def _rows(name: str, task: Task) -> Iterator[Row]:
    """Late fusion against each of its peers, and the hybrid against the cascade, at full width."""
    found: Mapping[str, float] = {one.name: one.by_dim[one.full_dim][NDCG].mean for one in task.systems}
    for peer in PEERS:
        yield Row(f"{NDCG} {name}", peer, found["late-fusion"], found[peer], "nDCG")
    yield Row(f"{NDCG} {name} hybrid", "cascade", found["hybrid"], found["cascade"], "nDCG")


def _unchanged(model: JointEncoder) -> Goal:
    """Text vectors are those of the frozen tower after the recorded transform: the least cosine over both roles."""
    bare: dict[str, Any] = {"speech": None, "fusion": None, "head": None, "adapt": {}, "transform": False}
    tower = assemble(type(model.spec).parse({**model.spec.model_dump(), **bare}))
    least = 1.0
    roles: tuple[Role, ...] = ("query", "document")
    for role in roles:
        frozen = torch.from_numpy(tower.encode(TEXTS, role))
        placed = model.transform(frozen) if model.transform is not None else frozen
        least = min(least, float((placed.numpy() * model.encode(TEXTS, role)).sum(1).min()))
    return Goal("texts beside the frozen tower's through the transform, least cosine", least, 0.9999, None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bench with the common options, --model and --part."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--model", default="demo")
    parser.add_argument("--part", choices=("test", "dev"), default="test")
    own, rest = parser.parse_known_args(arguments)
    return run_one("quality", partial(bench, model=own.model, part=own.part), rest)


if __name__ == "__main__":
    sys.exit(main())
