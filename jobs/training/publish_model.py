"""Directory of a trained model, loaded by others in one line: weights, spec, metrics, and a card.

Apart from the files of `save_model` the folder contains `metrics.json`, `train.yaml` (the spec, to remake it), the
ridge baseline where speech was trained, `metrics.csv`, `training.png` and `tensorboard/` of the training, and `hybrid/`
where one was tuned.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from safetensors.torch import save_file

from embed.model.handle import resolve_model
from embed.model.weights import save_model
from evaluate.measures.bootstrap import interval
from jobs.training.teacher import AnyStrategy
from train.curate.speech_pairs import licences
from train.spec import TrainSpec
from train.strategies.ridge import RIDGE, Ridge

METRICS, SPEC = "metrics.json", "train.yaml"
TITLES = {
    "late-fusion": "Late fusion of {speech} and {text}",
    "dual": "Dual encoder of {speech} and {text}",
    "ridge": "Ridge regression from {speech} to {text}",
    "text": "{text}, trained as a Matryoshka encoder",
}
CLIPS = {"all": "the same clips", "recorded": "the recorded clips among them, on which it scores better"}


def publish(
    spec: TrainSpec, output: Path, strategy: AnyStrategy, ridge: Ridge | None, metrics: Mapping[str, Any]
) -> dict[str, Any]:
    """Write the directory, its spec last; `metrics` with the model's fingerprints."""
    output.mkdir(parents=True, exist_ok=True)
    (output / SPEC).write_text(
        yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=False, allow_unicode=True), encoding="utf-8"
    )
    (output / RIDGE).unlink(missing_ok=True)
    if ridge is not None:
        save_file({name: value.half().contiguous() for name, value in ridge.state().items()}, output / RIDGE)
    (output / METRICS).unlink(missing_ok=True)
    save_model(strategy.model, output, card(spec, metrics), own_text=spec.strategy == "text")
    prints = resolve_model(str(output)).fingerprints
    found = {**metrics, "space": prints.space, "encoder": prints.encoder}
    (output / METRICS).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return found


def dev_intervals(strategy: AnyStrategy, seed: int) -> dict[str, dict[str, float]]:
    """By measure and dim: mean nDCG@10 on dev with the bounds of its 95 % interval."""
    found = {name: interval(values, seed=seed) for name, values in strategy.judged().items()}
    return {
        name: {"mean": round(one.mean, 4), "low": round(one.low, 4), "high": round(one.high, 4)}
        for name, one in found.items()
    }


def card(spec: TrainSpec, metrics: Mapping[str, Any]) -> str:
    """Markdown; metrics are those of `jobs.training.train_model.train_model`."""
    encoder = spec.encoder
    speech = encoder.speech.name if encoder.speech else ""
    parts = [
        f"# {TITLES[spec.strategy].format(speech=speech, text=encoder.text.name)}",
        _made(spec, metrics),
        f"## Towers\n{_towers(spec)}",
        f"## Data\n{_data(spec, metrics)}",
        f"## On dev, which chose the weights (mean nDCG@10, 95 % bootstrap interval over queries)\n{_dev(metrics)}",
        f"## Limits\n{_limits(spec)}",
        f"## Licence\n{_licence(spec)}",
        f"## Remake\n\n    deglu train {SPEC} --set output=remade\n\nfrom the sources above; `{SPEC}` is here.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _made(spec: TrainSpec, metrics: Mapping[str, Any]) -> str:
    made = f"Made {datetime.now(UTC):%Y-%m-%d} by `deglu train`, strategy {spec.strategy}, seed {spec.seed}"
    training = metrics.get("training")
    if not training:
        return f"{made}; in closed form, strength {metrics['ridge']['chosen']} chosen on dev."
    first, *more = training["runs"]
    seconds = sum(one["seconds"] for one in training["runs"])
    took = [f"{seconds:.0f} s"] if seconds else []
    steps = f"{first['steps']} steps of {spec.optimiser.batch} examples"
    if more:
        what = f" in {1 + len(more)} fusions, whose vectors are averaged; {', '.join([f'{steps} each', *took])}"
        epochs = ", ".join(f"{one['best_epoch'] + 1} (seed {one['seed']})" for one in training["runs"])
        best = f".\nEpochs {epochs} were best on dev."
    else:
        what = f", {' in '.join([steps, *took])}"
        best = f"; {first['stopped']}.\nEpoch {first['best_epoch'] + 1} was best on dev."
    return f"{made}:\n{training['trained_parameters']:,} parameters{what} on {spec.workers} workers{best}"


def _towers(spec: TrainSpec) -> str:
    encoder, adapt = spec.encoder, spec.encoder.adapt
    trained = spec.strategy == "text"
    lines = []
    if encoder.speech is not None:
        layers = list(encoder.speech.layers) if encoder.speech.layers else "all"
        how = "trained in part, that part is kept here" if adapt.speech_trained else "frozen, not kept here"
        lines.append(f"- speech: `{encoder.speech.name}`, layers {layers}; {how}")
    how = "trained, kept in `text/`" if trained else "frozen, not kept here"
    how += "; with adapters for speech only" if adapt.text else ""
    lines.append(f"- text: `{encoder.text.name}`, {encoder.text.pooling} pooling, dims {list(encoder.dims)}; {how}")
    return "\n".join(lines)


def _data(spec: TrainSpec, metrics: Mapping[str, Any]) -> str:
    counts = ", ".join(f"{count:,} {part}" for part, count in metrics["examples"].items())
    hours = ", ".join(f"{hours:.1f} h {part}" for part, hours in metrics["hours"].items())
    sources = spec.texts if spec.strategy == "text" else spec.sources
    lines = [f"- {one.url or one.name}: {' '.join(one.langs) or 'all languages'}" for one in sources]
    if spec.target_langs:
        lines.append(f"- target texts of the speech: its own text, and texts in {' '.join(spec.target_langs)}")
    lines.append(f"\nExamples: {counts}{f' ({hours})' if hours else ''}; split by key and text.")
    if metrics["dropped"]:
        lines.append(
            "Left out: " + "; ".join(f"{count} {reason}" for reason, count in metrics["dropped"].items()) + "."
        )
    lines.append("Nothing here was trained, fitted or chosen on the test part.")
    return "\n".join(lines)


def _dev(metrics: Mapping[str, Any]) -> str:
    """A table: one row for each measure, one column for each dim."""
    rows: dict[str, dict[str, str]] = {}
    for name, one in metrics["dev"].items():
        measure, _, dim = name.partition("@")
        rows.setdefault(measure.replace("_", " "), {})[dim] = f"{one['mean']:.3f} [{one['low']:.2f}, {one['high']:.2f}]"
    dims = list(dict.fromkeys(dim for row in rows.values() for dim in row))
    lines = [f"| | {' | '.join(dims)} |", f"|---{'|---' * len(dims)}|"]
    lines += [f"| {measure} | {' | '.join(row.get(dim, '') for dim in dims)} |" for measure, row in rows.items()]
    if metrics.get("ridge") and metrics.get("training"):
        best = max(metrics["ridge"]["dev_speech_to_text_by_strength"].values())
        lines.append(
            f"\nRidge regression on {CLIPS[metrics['ridge']['learnt_from']]}: {best:.3f} speech to text at full width."
        )
    if metrics.get("hybrid"):
        hybrid = metrics["hybrid"]
        score = max(hybrid["dev_speech_to_text_by_weight"].values())
        lines.append(
            f"\n`{hybrid['folder']}/` is the hybrid with {_transcripts(hybrid['hypotheses'])}"
            f" of `{hybrid['asr']}`: weight {hybrid['weight']} gave {score:.3f} speech to text in"
            f" {' '.join(hybrid['langs']) or 'all languages'}."
        )
    return "\n".join(lines)


def _transcripts(hypotheses: int) -> str:
    return "the transcript" if hypotheses == 1 else f"the {hypotheses} likeliest transcripts"


def _limits(spec: TrainSpec) -> str:
    if spec.strategy == "text":
        return "It was trained on the languages and kinds of text listed here; others were not measured."
    limits = (
        "It was measured on clips like those it was trained on, and their speakers may be in all parts: noisier,"
        " spontaneous or\nlonger speech, other languages and other voices were not measured; measure before use."
    )
    head = spec.encoder.head
    if head is not None and head.independent:
        limits += "\nIts heads are independent: no prefix of a vector is valid. It is for evaluation only."
    return limits


def _licence(spec: TrainSpec) -> str:
    sources = spec.texts if spec.strategy == "text" else spec.sources
    found = licences(sources, spec.manuals and spec.encoder.transform)
    lines = [
        "The weights are Apache-2.0 and contain no recording and no text; the towers keep their own licences, and so"
        " does\nthe training data" + (":" if found else ".")
    ]
    return "\n".join([*lines, *(f"- `{package}` ({licence})" for package, licence in found.items())])
