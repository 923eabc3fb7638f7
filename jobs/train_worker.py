"""What a data-parallel worker of `deglu train` does: the loop on its share of every batch; rank 0 scores dev."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import ray.train
import torch
from ray.train.torch import get_device, prepare_model
from safetensors.torch import save_file
from torch import Tensor

from embed.encoder import FloatArray, Role
from embed.model.budget import by_budget
from embed.model.joint import JointEncoder
from evaluate.metrics import ndcg_at_10
from jobs.frozen_side import frozen_side, frozen_targets
from train.features import Features
from train.loop import run
from train.spec import TrainSpec
from train.targets import Targets

BEST, TO_TEXT, TO_SPEECH = "dev_ndcg_at_10", "dev_speech_to_text", "dev_text_to_speech"
FUSION = "fusion.safetensors"  # in a checkpoint


def train_worker(config: Mapping[str, Any]) -> None:
    """One data-parallel worker; rank 0 scores dev and reports the checkpoint."""
    spec = TrainSpec.parse(config["spec"])
    context = ray.train.get_context()
    rank, world = context.get_world_rank(), context.get_world_size()
    torch.set_num_threads(1 if not spec.gpu else 4)
    clips, num_train = config["clips"], config["num_train"]
    torch.manual_seed(spec.seed)  # before the fusion is made: its first weights are the seed's too
    model = frozen_side(spec, clips[:num_train], Path(config["work"]))
    targets = frozen_targets(spec, model, clips, Path(config["work"]))
    features = Features(config["shards"], len(clips))
    train, dev = range(num_train), range(num_train, len(clips))
    assert model.fusion is not None
    model.fusion.standardise(*features.spread(train, spec.seed))
    model.fusion.start_at(model.text.model.get_input_embeddings().weight)
    device = str(get_device())
    elapsed = 0.0
    for epoch in run(model, features, targets, train, spec, rank=rank, world=world, wrap=prepare_model, device=device):
        elapsed += epoch.seconds
        score = dev_scores(model, features, targets, dev) if rank == 0 else {BEST: 0.0}
        metrics = {"epoch": epoch.number, "loss": epoch.loss, "elapsed_s": round(elapsed, 1), **score}
        with tempfile.TemporaryDirectory() as folder:
            checkpoint = None
            if rank == 0:
                save_file(model.fusion.state_dict(), Path(folder) / FUSION)
                checkpoint = ray.train.Checkpoint.from_directory(folder)
                config["told"].put(metrics)
            ray.train.report(metrics, checkpoint=checkpoint)


def dev_scores(model: JointEncoder, features: Features, targets: Targets, dev: Sequence[int]) -> dict[str, float]:
    """Mean nDCG@10 over the dev clips: spoken question to texts of each language, typed question to speech."""
    spoken = speech_vectors(model, features, dev, "query")
    heard = speech_vectors(model, features, dev, "document")
    cross: list[float] = []
    back: list[float] = []
    for lang in sorted(set(targets.langs)):
        asked = [row for row, clip in enumerate(dev) if lang in targets.own[clip]]
        if not asked:
            continue
        positions = [i for i, found in enumerate(targets.langs) if found == lang]
        column = {position: i for i, position in enumerate(positions)}
        right = np.asarray([column[targets.own[dev[row]][lang]] for row in asked])
        documents = targets.vectors["document"][positions].numpy()
        cross += ndcg_at_10(spoken[asked] @ documents.T, right).tolist()
        questions = targets.vectors["query"][[targets.own[dev[row]][lang] for row in asked]].numpy()
        own = [{i for i, other in enumerate(asked) if right[i] == right[row]} for row in range(len(asked))]
        back += ndcg_at_10(questions @ heard[asked].T, own).tolist()
    to_text, to_speech = float(np.mean(cross)), float(np.mean(back))
    return {BEST: (to_text + to_speech) / 2, TO_TEXT: to_text, TO_SPEECH: to_speech}


def speech_vectors(model: JointEncoder, features: Features, clips: Sequence[int], role: Role) -> FloatArray:
    """Unit vectors [n, D] of cached clips, without augmentation."""
    was_training = model.training
    model.eval()
    out: list[Tensor] = [torch.empty(0)] * len(clips)
    device = next(model.text.parameters()).device
    with torch.inference_mode():
        for group in by_budget([features.length(clip) for clip in clips], 1500):
            frames = [features.frames(clips[i]) for i in group]
            lengths = torch.tensor([len(one) for one in frames], device=device)
            padded = torch.nn.utils.rnn.pad_sequence(frames, batch_first=True).to(device)
            for i, vector in zip(group, model(padded, lengths, role).float().cpu(), strict=True):
                out[i] = vector
    model.train(was_training)
    vectors: FloatArray = torch.stack(out).numpy()
    return vectors
