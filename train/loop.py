"""The training loop: plain torch, one process or many; who runs the processes and keeps the files is not its affair.

A step takes one role for the whole batch, query and document in turn: a spoken question is drawn to documents, an
archived recording to typed questions.  The candidates are all texts of the positive's language, not only the batch's;
in the document's role each text is also drawn to its own speech among the batch's, since speech is what is searched.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from embed.encoder import Role
from embed.errors import DegluError
from embed.model.joint import JointEncoder
from train.features import Features
from train.losses import distillation, in_batch_infonce, matryoshka_infonce
from train.spec import TrainSpec
from train.targets import Targets

ROLES: tuple[Role, Role] = ("query", "document")


@dataclass(frozen=True)
class Epoch:
    """What an epoch did."""

    number: int  # from 0
    steps: int  # so far
    loss: float  # mean over this worker's steps of the epoch
    learning_rate: float  # at its end
    seconds: float


def run(
    model: JointEncoder,
    features: Features,
    targets: Targets,
    clips: Sequence[int],
    spec: TrainSpec,
    *,
    rank: int = 0,
    world: int = 1,
    wrap: Callable[[nn.Module], nn.Module] = lambda module: module,
    device: str = "cpu",
) -> Iterator[Epoch]:
    """Train `model.fusion` in place on the given clips, yielding after each epoch.  Deterministic by `spec.seed`.

    `wrap` makes the module data-parallel; a batch is dealt out by rank.  Raises DegluError at the first
    loss that is not finite, naming the step.
    """
    if model.fusion is None:
        raise DegluError("late fusion needs a speech tower and a fusion in the encoder's spec")
    model.to(device).train()
    parallel = wrap(model)
    optimiser = torch.optim.AdamW(model.fusion.parameters(), spec.learning_rate, weight_decay=spec.weight_decay)
    per_epoch = len(batches(features, clips, spec, 0))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, warm_cosine(spec.warmup_steps, per_epoch * spec.epochs))
    batch_of = _Batcher(features, targets, model.dims, spec, device)
    steps = 0
    for number in range(spec.epochs):
        began, losses = time.perf_counter(), []
        for members in batches(features, clips, spec, number):
            role = ROLES[steps % 2]
            torch.manual_seed(spec.seed * 1_000_003 + steps * 1_009 + rank)
            loss = batch_of.loss(parallel, members[rank::world], role, number, steps)
            if not math.isfinite(loss.item()):
                raise DegluError(f"training stopped: the loss is {loss.item()} at step {steps} of epoch {number}")
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.fusion.parameters(), spec.clip_norm)
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
            steps += 1
        rate = float(schedule.get_last_lr()[0])
        yield Epoch(number, steps, float(np.mean(losses)), rate, time.perf_counter() - began)
        model.train()


def batches(features: Features, clips: Sequence[int], spec: TrainSpec, epoch: int) -> list[list[int]]:
    """Whole batches of clips of like length, in an order that seed and epoch decide; the remainder waits its turn."""
    order = np.random.default_rng([spec.seed, epoch]).permutation(np.asarray(clips)).tolist()
    # Sorting inside windows of eight batches keeps padding low and batches random.
    window = spec.batch * 8
    sorted_runs = [sorted(order[i : i + window], key=features.length) for i in range(0, len(order), window)]
    whole = [run[i : i + spec.batch] for run in sorted_runs for i in range(0, len(run) - spec.batch + 1, spec.batch)]
    if not whole:
        raise DegluError(f"{len(order)} training clips do not fill one batch of {spec.batch}; lower `batch`")
    return [whole[i] for i in np.random.default_rng([spec.seed, epoch, 1]).permutation(len(whole))]


def warm_cosine(warmup: int, total: int) -> Callable[[int], float]:
    """Linear to 1 over the warm-up, then half a cosine to 0 at the end."""

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, total - warmup))))

    return factor


class _Batcher:
    """Turns clip numbers into padded frames, positives and fair negatives."""

    def __init__(self, features: Features, targets: Targets, dims: Sequence[int], spec: TrainSpec, device: str) -> None:
        self.features, self.targets, self.spec, self.device = features, targets, spec, device
        # A query is compared with documents and a document with queries.
        self.candidates = {
            "query": _on(targets.prefixes("document", dims), device),
            "document": _on(targets.prefixes("query", dims), device),
        }
        self.teachers = {role: targets.vectors[role].to(device) for role in ROLES}
        langs = sorted(set(targets.langs))
        self.of_lang = {lang: torch.tensor([found == lang for found in targets.langs], device=device) for lang in langs}

    def loss(self, model: nn.Module, members: Sequence[int], role: Role, epoch: int, step: int) -> Tensor:
        chance = np.random.default_rng([self.spec.seed, step, *members[:1]])
        frames = [self._frames(clip, chance) for clip in members]
        lengths = torch.tensor([len(one) for one in frames], device=self.device)
        padded = pad_sequence(frames, batch_first=True).to(self.device)
        langs = [str(chance.choice(sorted(self.targets.own[clip]))) for clip in members]
        positives = [self.targets.own[clip][lang] for clip, lang in zip(members, langs, strict=True)]
        allowed = torch.stack([self.of_lang[lang] for lang in langs])
        # bfloat16 in the frozen tower: half the time, and the loss is taken in float32.
        with torch.autocast(self.device.split(":")[0], dtype=torch.bfloat16):
            vectors = model(padded, lengths, role).float()
        chosen = torch.tensor(positives, device=self.device)
        contrast = matryoshka_infonce(vectors, self.candidates[role], chosen, allowed, self.spec.temperature)
        if role == "document" and self.spec.in_batch:
            # Texts of any language against speech of any language: what a typed question meets in an archive.
            asked = self.targets.vectors["query"].to(self.device)[chosen]
            back = in_batch_infonce(
                vectors, asked, self._same(members), list(self.candidates[role]), self.spec.temperature
            )
            contrast = contrast + self.spec.in_batch * back
        spoken = torch.tensor([self.targets.spoken[clip] for clip in members], device=self.device)
        return contrast + self.spec.distillation * distillation(vectors, self.teachers[role][spoken])

    def _same(self, members: Sequence[int]) -> Tensor:
        """[B, B], True where two clips share a text."""
        texts = [set(self.targets.own[clip].values()) for clip in members]
        return torch.tensor([[bool(one & other) for other in texts] for one in texts], device=self.device)

    def _frames(self, clip: int, chance: np.random.Generator) -> Tensor:
        frames = self.features.frames(clip, int(chance.integers(self.features.speeds)))
        hidden = int(len(frames) * chance.uniform(0, self.spec.time_mask))
        if hidden:
            begin = int(chance.integers(len(frames) - hidden + 1))
            frames[begin : begin + hidden] = frames.mean(0)
        return frames


def _on(prefixes: dict[int, Tensor], device: str) -> dict[int, Tensor]:
    return {dim: values.to(device) for dim, values in prefixes.items()}
