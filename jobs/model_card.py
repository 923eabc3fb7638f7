"""The card of a trained model: what it is, what it was made of and under which licences, how to remake it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from train.data import licences
from train.spec import TrainSpec


def card(spec: TrainSpec, metrics: Mapping[str, Any]) -> str:
    """Markdown; metrics are those of `jobs.train_model.train_model`."""
    encoder = spec.encoder
    assert encoder.speech is not None
    sources = "\n".join(f"- `{name}` ({licence})" for name, licence in licences(spec.sources, spec.manuals).items())
    spoken = ", ".join(f"{source.name}: {' '.join(source.langs)}" for source in spec.sources)
    dev = "\n".join(f"- {name}: {value:.3f}" for name, value in metrics["dev"].items())
    counts = ", ".join(f"{count} {part}" for part, count in metrics["clips"].items())
    seconds = metrics["training_seconds"]
    return f"""# Late fusion of {encoder.speech.name} and {encoder.text.name}

Made {datetime.now(UTC):%Y-%m-%d} by `deglu train` in {seconds:.0f} s of training on {spec.workers} workers,
the frozen features not counted; epoch {metrics["best_epoch"]} of {spec.epochs} was best on dev.

## Towers (frozen, not kept here)
- speech: `{encoder.speech.name}`, layers {list(encoder.speech.layers) if encoder.speech.layers else "all"}
- text: `{encoder.text.name}`, {encoder.text.pooling} pooling, dims {list(encoder.dims)}

## Data
Speech: {spoken}. Texts in {", ".join(spec.target_langs)}.
Clips: {counts} ({metrics["hours"]:.1f} hours of training speech), split by key and text.
The fusion and the baseline never saw dev or test clips, nor did the nesting transform see their texts.

Packages, fetched by the package manager, none of them kept here:
{sources}

## On dev, which chose the epoch (mean nDCG@10)
{dev}

What was not tuned on, with intervals and baselines, is what `deglu evaluate deploy/specs/evaluate-demo.yaml` prints.

## Files
`fusion.safetensors` (float16), `transform.safetensors` (float32), `ridge.safetensors` (the closed-form baseline on the
same clips), `encoder.json`, `metrics.json`.

## Limits
A demonstration: few hours of read speech by few speakers, who are heard in dev and test too. The weights are
Apache-2.0 and hold no recording and no text; the recordings they were made from keep their licences.

## Remake

    deglu train deploy/specs/train-demo.yaml --set output=build/models/demo
"""
