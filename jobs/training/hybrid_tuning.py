"""Tuning of the hybrid of a trained model: dev is transcribed once, and the transcripts' weight is chosen on it."""

from pathlib import Path
from typing import Any

import numpy as np

from embed.encoder import FloatArray
from embed.errors import SpecError
from embed.model.folder import HybridSpec
from embed.model.hybrid import save_hybrid, transcript_vectors
from embed.model.recognition.recogniser import Recogniser
from jobs.command.progress import Progress
from jobs.training.teacher import Lesson
from train.curate.clip import read_clip
from train.spec import TrainSpec
from train.strategies.dev_scores import TO_TEXT, judge_dev
from train.strategies.hybrid_weight import best_weight
from train.strategies.late_fusion import LateFusionStrategy

FOLDER = "hybrid"  # in the model's folder


def tune_hybrid(
    spec: TrainSpec,
    strategy: LateFusionStrategy,
    lesson: Lesson,
    output: Path,
    progress: Progress,
    device: str = "cpu",
) -> dict[str, Any]:
    """The chosen weight and the scores of all: mean nDCG@10 of spoken questions in the recogniser's languages.

    Writes the hybrid's folder into `output`, where the model will be written.
    """
    settings = spec.hybrid
    assert settings is not None
    asked = [clip for clip in lesson.dev if not settings.langs or lesson.clips[clip].lang in settings.langs]
    if not asked:
        raise SpecError(
            f"hybrid.langs = {list(settings.langs)}: no dev clip is in these languages; name languages of `sources`"
        )
    progress.note(f"hybrid: {settings.asr} transcribes {len(asked)} dev clips")
    recogniser = Recogniser.load(settings.asr, settings.langs, device)
    waves = [read_clip(lesson.clips[clip]) for clip in asked]
    transcripts = recogniser.transcribe(waves, hypotheses=settings.hypotheses)
    words = transcript_vectors(strategy.model, [one.texts for one in transcripts], "query")
    spoken: FloatArray = strategy.vectors(asked, "query").numpy()
    widest = strategy.model.dims[0]

    def score(vectors: FloatArray) -> float:
        judged = judge_dev({widest: vectors}, {widest: vectors}, strategy.targets, asked, strategy.metric)
        return float(np.mean(judged[f"{TO_TEXT}@{widest}"]))

    weight, scores = best_weight(spoken, words, settings.weights, score)
    made = HybridSpec(model="..", asr=settings.asr, langs=settings.langs, weight=weight, hypotheses=settings.hypotheses)
    save_hybrid(made, output / FOLDER)
    return {
        "folder": FOLDER,
        "asr": settings.asr,
        "langs": list(settings.langs),
        "hypotheses": settings.hypotheses,
        "weight": weight,
        "dev_speech_to_text_by_weight": {str(one): round(value, 4) for one, value in scores.items()},
    }
