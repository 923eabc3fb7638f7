"""Verbs that run a job: demo, train, plan, embed, retry, index, evaluate."""

from typing import Annotated, Any

import typer

from embed.errors import SpecError
from jobs.command.advice import Advice
from jobs.command.doors import dry_result, is_training, load_spec, named, run_verb
from jobs.command.filters import failure_filter, row_filter
from jobs.command.options import AsJson, Debug, DryRun, NewVersion, Overrides, SpecPath, Where
from jobs.command.output import show
from jobs.command.progress import progress_on_stderr


def demo(
    folder: Annotated[
        str | None, typer.Option("--folder", help="Folder for the demo's files; build/demo by default.")
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Run all steps on this machine, in minutes.

    Fetches recordings, embeds, indexes, asks questions and scores the answers.
    Typed English finds the moment in French speech; spoken French finds text. A second run is quicker.

    \b
    Example:
      deglu demo --json
    """
    with progress_on_stderr() as progress:
        result = named("jobs.demo.demo_walk:demo_walk")(folder, progress)
    return show(result, as_json)


def train(
    spec: SpecPath,
    overrides: Overrides = None,
    as_json: AsJson = False,
    dry_run: DryRun = False,
    debug: Debug = False,
) -> int:
    """Train a model, data-parallel.

    By strategy: a text tower, late fusion of speech into a frozen text tower, a dual encoder, ridge regression.
    After a stop the same command continues from the last checkpoint; a finished training is published again without
    being repeated. Writes a model directory with its card (data, licences, metrics with intervals), and during the
    training metrics.csv, training.png and tensorboard/. --dry-run prints an estimate of what it will take.

    \b
    Example:
      deglu train deploy/specs/train-demo.yaml --set seed=1
    """
    if dry_run:
        return _plan_training(spec, overrides, as_json)
    return _job("train", spec, overrides, as_json, dry_run)


def plan(
    spec: SpecPath,
    overrides: Overrides = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Estimate what embedding an archive, or a training, will take.

    Lists and probes the inputs, encodes a short sample here, and prints assets, hours, segments, bytes, storage
    requests, time on the spec's workers, and the price by its rates, before anything is spent. For a training:
    clips, hours, bytes of features, steps, trained parameters. Writes nothing.

    \b
    Examples:
      deglu plan deploy/specs/embed-demo.yaml --set workers=8 --set rates.worker_hour=1.2
      deglu plan deploy/specs/train-demo.yaml
    """
    if is_training(spec):
        return _plan_training(spec, overrides, as_json)
    return _job("plan", spec, overrides, as_json, dry_run=False)


def embed(
    spec: SpecPath,
    overrides: Overrides = None,
    new_version: NewVersion = False,
    as_json: AsJson = False,
    dry_run: DryRun = False,
    debug: Debug = False,
) -> int:
    """Turn an archive into a vectors dataset.

    Speech and text get vectors in one space. After a stop the same command continues; a later run embeds what is new
    or changed. Prints the accounting: every asset is embedded, failed or skipped, and every failure is kept by name.
    Another model or another way of cutting requires --new-version. --dry-run shows the spec and the work that is left.

    \b
    Example:
      deglu embed deploy/specs/embed-demo.yaml --set output=s3://bucket/vectors
    """
    return _job("embed", spec, overrides, as_json, dry_run, new_version=new_version)


def retry(
    spec: SpecPath,
    where: Where = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    dry_run: DryRun = False,
    debug: Debug = False,
) -> int:
    """Embed failed units again, and publish what changed.

    The spec is that of deglu embed. Without --where every failure is tried again. --dry-run lists them.

    \b
    Examples:
      deglu retry my-embed.yaml --where "error_class = 'UnsupportedFormat'"
      deglu retry my-embed.yaml --where "stage = 'decode' and uri like 'radio/2026/%'"

    A filter is one SQL condition, as in deglu query, on the columns of a failure: uri stage error_class message,
    lost_s (seconds), attempts, start end (milliseconds, or bytes or rows of texts), unit_id asset_id.
    """
    return _job("retry", spec, overrides, as_json, dry_run, where=failure_filter(where))


def index(
    spec: SpecPath,
    overrides: Overrides = None,
    append: Annotated[
        bool, typer.Option("--append", help="Update from the dataset: add new rows, remove lost ones.")
    ] = False,
    delete: Annotated[
        str | None,
        typer.Option("--delete", metavar="WHERE", help="Hide the rows that meet this condition, permanently."),
    ] = None,
    compact: Annotated[
        bool, typer.Option("--compact", help="Delete the bytes of hidden rows, and the versions that contain them.")
    ] = False,
    new_version: NewVersion = False,
    as_json: AsJson = False,
    dry_run: DryRun = False,
    debug: Debug = False,
) -> int:
    """Build the index of a vectors dataset.

    The index is calibrated on its own vectors: recall and cost of each search depth are measured and stored. Readers
    of the current version are not disturbed; settings that differ from its own require --new-version. One of
    --append, --delete and --compact changes the current index, in seconds, without building it again.

    \b
    Examples:
      deglu index deploy/specs/index-demo.yaml
      deglu index deploy/specs/index-demo.yaml --append
      deglu index deploy/specs/index-demo.yaml --delete "uri = 'radio/2026/monday.mp3' and start_s < 60"
      deglu index deploy/specs/index-demo.yaml --compact
    """
    changes = {"--append": append, "--delete": delete is not None, "--compact": compact, "--new-version": new_version}
    given = [name for name, is_given in changes.items() if is_given]
    if len(given) > 1:
        raise SpecError(f"{' and '.join(given)} cannot be combined: give one, then the other")
    if not given or new_version or dry_run:
        return _job("index", spec, overrides, as_json, dry_run, new_version=new_version)
    row_filter(delete, "--delete")  # refused before the index is opened
    advice = Advice("index", spec, overrides or ())
    with advice.errors():
        checked = load_spec("index", spec, overrides or ())
        result = advice.result(named("jobs.indexing.update_index:update_index")(checked, append, delete, compact))
    return show(result, as_json)


def evaluate(
    spec: Annotated[
        list[str],
        typer.Argument(
            metavar="SPEC", help="A YAML file; with --compare folders of reports; with --runs run files, two or more."
        ),
    ],
    compare: Annotated[
        bool, typer.Option("--compare", help="Compare the reports in these folders, task by task, system by system.")
    ] = False,
    runs: Annotated[
        bool, typer.Option("--runs", help="Compare these run files (TREC's, or mteb's predictions); needs --qrels.")
    ] = False,
    qrels: Annotated[
        str | None, typer.Option("--qrels", metavar="FILE", help="The right answers, as BEIR's or TREC's qrels.")
    ] = None,
    measures: Annotated[
        list[str] | None,
        typer.Option(
            "--measure", metavar="NAME", help="Of a comparison: nDCG@10, R@100, RR, Success@5 ...; repeatable."
        ),
    ] = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    dry_run: DryRun = False,
    debug: Debug = False,
) -> int:
    """Measure a model and its baselines, or compare runs.

    Quality per dimension, with intervals; gates decide the exit code. The report has a run file for each system.

    A comparison has means with intervals, paired differences to the first, and randomisation tests corrected for the
    number of pairs. The systems need not be Deglu's.

    \b
    Examples:
      deglu evaluate deploy/specs/evaluate-demo.yaml --json
      deglu evaluate --compare build/evaluate-old build/evaluate-new
      deglu evaluate --runs bm25.run ours.run --qrels qrels/test.tsv --measure nDCG@10
    """
    if compare and runs:
        raise SpecError("--compare and --runs cannot be combined: reports have run files of their own")
    if (qrels is not None) != runs:
        raise SpecError("--qrels belongs to --runs, and --runs requires it: give both or neither")
    if compare or runs:
        if dry_run or overrides:
            raise SpecError("a comparison has no spec: leave out --set and --dry-run")
        if runs:
            result = named("jobs.evaluation.compare_runs:compare_runs")(spec, qrels, measures or ())
        else:
            result = named("jobs.evaluation.compare_runs:compare_reports")(spec, measures or ())
        return show(result, as_json)
    if measures:
        raise SpecError("--measure is for --compare and --runs; a spec has measures of its own")
    if len(spec) > 1:
        raise SpecError(f"one spec at a time, not {len(spec)}; to compare, add --compare or --runs")
    return _job("evaluate", spec[0], overrides, as_json, dry_run)


def _plan_training(path: str, overrides: list[str] | None, as_json: bool) -> int:
    spec = load_spec("train", path, overrides or ())
    with progress_on_stderr() as progress:
        result = named("jobs.planning.plan_training:plan_training")(spec, progress)
    return show(result, as_json)


def _job(verb: str, path: str, overrides: list[str] | None, as_json: bool, dry_run: bool, **options: Any) -> int:
    advice = Advice(verb, path, overrides or ())
    with advice.errors(), progress_on_stderr() as progress:
        spec = load_spec(verb, path, overrides or ())
        found = dry_result(verb, spec, progress, **options) if dry_run else run_verb(verb, spec, progress, **options)
        result = advice.result(found)
    return show(result, as_json)
