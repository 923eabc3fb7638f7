"""The verbs of `deglu`: each reads its options, opens its door, shows the result.  Heavy imports wait behind doors."""

from importlib.metadata import version
from typing import Annotated, Any, Literal

import typer

from embed.errors import SpecError
from jobs.command.doors import is_training, load_spec, named, walk_through
from jobs.command.options import (
    EXIT_CODES,
    AsJson,
    Dataset,
    Debug,
    DryRun,
    Modality,
    NewVersion,
    Overrides,
    SpecPath,
    Where,
)
from jobs.command.output import resolved, show
from jobs.command.progress import progress_on_stderr

app = typer.Typer(
    name="deglu",
    rich_markup_mode=None,  # plain text: quick to start, the same in a pipe and on a terminal
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=EXIT_CODES,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"deglu {version('deglu')}")
        raise typer.Exit


@app.callback()
def deglu(
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """Make speech and text searchable by meaning, together, in one vector space.

    \b
    The walk:
      deglu demo                                 all of it, on this machine, in minutes
      deglu plan deploy/specs/embed-demo.yaml    what an archive will take
      deglu embed deploy/specs/embed-demo.yaml   an archive becomes vectors
      deglu index deploy/specs/index-demo.yaml   vectors become an index
      deglu query INDEX --text "..."             a question becomes answers

    Every verb has a --help with an example. Progress goes to stderr, results to stdout.
    """


@app.command(epilog=EXIT_CODES)
def demo(
    folder: Annotated[
        str | None, typer.Option("--folder", help="Where the demo works and caches; a default fits.")
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Do the whole walk on this machine, in minutes.

    Fetches recordings, embeds, indexes, asks and scores.
    Typed English finds the moment in French speech; spoken French finds text. A second run is quicker.

    \b
    Example:
      deglu demo --json
    """
    with progress_on_stderr() as progress:
        result = named("jobs.demo.demo_walk:demo_walk")(folder, progress)
    return show(result, as_json)


@app.command(epilog=EXIT_CODES)
def train(
    spec: SpecPath,
    overrides: Overrides = None,
    as_json: AsJson = False,
    dry_run: DryRun = False,
    debug: Debug = False,
) -> int:
    """Train a model, data-parallel.

    By strategy: a text tower, late fusion of speech into a frozen text tower, a dual encoder, ridge regression. The
    same command goes on after a stop, from the last checkpoint, and a finished training is published again without
    being repeated. Writes a model directory with its card: data, licences, metrics with intervals; metrics.csv,
    training.png and tensorboard/ stand beside it while it trains. --dry-run says what it will take.

    \b
    Example:
      deglu train deploy/specs/train-demo.yaml --set seed=1
    """
    if dry_run:
        return _plan_training(spec, overrides, as_json)
    return _job("train", spec, overrides, as_json, dry_run)


@app.command(epilog=EXIT_CODES)
def plan(
    spec: SpecPath,
    overrides: Overrides = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Say what embedding an archive, or a training, will take.

    Lists and probes the inputs, encodes a short sample here, and tells assets, hours, segments, bytes, storage
    requests, time on the spec's workers, and the price by its rates: before anything is spent. Of a training: clips,
    hours, bytes of features, steps, trained parameters. Writes nothing.

    \b
    Examples:
      deglu plan deploy/specs/embed-demo.yaml --set workers=8 --set rates.worker_hour=1.2
      deglu plan deploy/specs/train-demo.yaml
    """
    if is_training(spec):
        return _plan_training(spec, overrides, as_json)
    return _job("plan", spec, overrides, as_json, dry_run=False)


@app.command(epilog=EXIT_CODES)
def embed(
    spec: SpecPath,
    overrides: Overrides = None,
    new_version: NewVersion = False,
    as_json: AsJson = False,
    dry_run: DryRun = False,
    debug: Debug = False,
) -> int:
    """Turn an archive into a vectors dataset.

    Speech and text land in one space. The same command goes on after a stop, and tomorrow embeds what is new or
    changed. Prints the accounting: every asset is embedded, failed or skipped, and every failure is kept by name.
    Another model or another way of cutting wants --new-version.

    \b
    Example:
      deglu embed deploy/specs/embed-demo.yaml --set output=s3://bucket/vectors
    """
    return _job("embed", spec, overrides, as_json, dry_run, new_version=new_version)


@app.command(epilog=EXIT_CODES)
def retry(
    spec: SpecPath,
    where: Where = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    dry_run: DryRun = False,
    debug: Debug = False,
) -> int:
    """Embed again what failed, and publish what changed.

    The spec is that of deglu embed. Without --where every failure is tried again.

    \b
    Example:
      deglu retry my-embed.yaml --where error_class=UnsupportedFormat
    """
    return _job("retry", spec, overrides, as_json, dry_run, where=where or [])


@app.command(epilog=EXIT_CODES)
def index(
    spec: SpecPath,
    overrides: Overrides = None,
    append: Annotated[
        bool, typer.Option("--append", help="Bring the index up to its dataset: new rows come, lost ones go.")
    ] = False,
    delete: Annotated[
        str | None, typer.Option("--delete", metavar="WHERE", help="Hide the rows that this holds for, for ever.")
    ] = None,
    compact: Annotated[
        bool, typer.Option("--compact", help="Purge the bytes of hidden rows; versions that hold them are removed.")
    ] = False,
    new_version: NewVersion = False,
    as_json: AsJson = False,
    dry_run: DryRun = False,
    debug: Debug = False,
) -> int:
    """Build the index of a vectors dataset.

    It is calibrated on its own vectors: what each depth of search finds and costs is measured and kept. Readers of
    the version that stands are not disturbed; settings that differ from its own want --new-version. One of --append,
    --delete and --compact changes the index that stands, in seconds, without building it again.

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
        raise SpecError(f"{' and '.join(given)} are changes of their own: give one, then the next")
    if not given or new_version or dry_run:
        return _job("index", spec, overrides, as_json, dry_run, new_version=new_version)
    checked = load_spec("index", spec, overrides or ())
    return show(named("jobs.indexing.update_index:update_index")(checked, append, delete, compact), as_json)


@app.command(epilog=EXIT_CODES)
def evaluate(
    spec: SpecPath,
    overrides: Overrides = None,
    as_json: AsJson = False,
    dry_run: DryRun = False,
    debug: Debug = False,
) -> int:
    """Measure a model beside its baselines.

    Quality per dimension, with intervals; gates decide the exit code.

    \b
    Example:
      deglu evaluate deploy/specs/evaluate-demo.yaml --json
    """
    return _job("evaluate", spec, overrides, as_json, dry_run)


@app.command(epilog=EXIT_CODES)
def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A released model's name, or a model's folder.")],
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="Where to write; still to be made.")],
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Write a model's text side for sentence-transformers.

    Tower, pooling and nesting transform, with the prompts query and document; truncate_dim cuts to a declared width.
    Speech stays behind: that library has no way for it. Wants the extra `export`.

    \b
    Example:
      deglu export demo build/demo-text
    """
    return show(named("jobs.training.export_model:export_model")(model, folder), as_json)


@app.command(epilog=EXIT_CODES)
def query(
    index: Annotated[str, typer.Argument(metavar="INDEX", help="An index: a folder or an s3:// url.")],
    text: Annotated[str | None, typer.Option("--text", help="A typed question.")] = None,
    audio: Annotated[str | None, typer.Option("--audio", metavar="FILE", help="A spoken question.")] = None,
    batch: Annotated[str | None, typer.Option("--batch", metavar="FILE", help="Many: one JSON object a line.")] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many answers.")] = 10,
    modality: Annotated[Modality, typer.Option("--modality", help="What may answer.")] = "any",
    dim: Annotated[int | None, typer.Option("--dim", min=1, help="Use this declared width only.")] = None,
    recall: Annotated[
        float | None, typer.Option("--recall", help="Share of the true best to find; the index's own by default.")
    ] = None,
    budget_ms: Annotated[
        float | None, typer.Option("--budget-ms", help="Instead: the best within so long, per question and modality.")
    ] = None,
    where: Annotated[
        str | None, typer.Option("--where", metavar="FILTER", help="Only rows whose provenance says so; see above.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="The encoder that made the index; demo by default.")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say what each stage did and cost.")] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Ask an index, typing or speaking.

    The answers carry score, asset, start and end, and the text where it is known. Recall and milliseconds are those
    that were measured when the index was built; --recall 1 reads every row. --explain tells what was read.

    \b
    Examples:
      deglu query build/index --text "press the hash key" --modality speech
      deglu query build/index --audio question.wav -k 5 --json
      deglu query build/index --batch questions.jsonl --recall 0.999 --json
      deglu query build/index --text "rain" --budget-ms 2 --explain
      deglu query build/index --text "rain" --where "lang = 'wo' and start_s < 3600"

    A batch line is {"text": "..."} or {"audio": "FILE"}.

    \b
    A filter is one SQL condition on what is known of a row:
      lang = 'wo' and start_s < 3600                      Wolof, in the first hour of a recording
      uri like 'radio/2026/%'                             % is any characters, _ is one
      metadata['programme'] in ('news', 'debate')
      modality = 'text' or not 90 between start_s and end_s
    columns: uri item lang text modality, metadata['key'], start_s end_s (seconds), start end (characters), and the
    ids. Also <> <= > >=, is null, is not null, brackets. A comparison keeps no row without the value.
    """
    if sum(given is not None for given in (text, audio, batch)) != 1:
        raise SpecError("a question is one of --text, --audio and --batch: give exactly one")
    result = named("jobs.asking.query_index:ask_index")(
        index,
        text=text,
        audio=audio,
        batch=batch,
        k=k,
        modality=modality,
        dim=dim,
        recall=recall,
        budget_ms=budget_ms,
        where=where,
        model=model,
        explain=explain,
    )
    return show(result, as_json)


@app.command(epilog=EXIT_CODES)
def submit(
    verb: Annotated[
        Literal["train", "embed", "retry", "index", "evaluate"], typer.Argument(metavar="VERB", help="What to run.")
    ],
    spec: SpecPath,
    address: Annotated[
        str, typer.Option("--address", metavar="URL", envvar="RAY_API_SERVER_ADDRESS", help="The cluster's dashboard.")
    ],
    overrides: Overrides = None,
    env: Annotated[
        list[str] | None,
        typer.Option("--env", metavar="NAME", help="Hand this AWS_* or DEGLU_* variable on to the job; repeatable."),
    ] = None,
    as_json: AsJson = False,
    dry_run: DryRun = False,
    debug: Debug = False,
) -> int:
    """Run a verb on a Ray cluster.

    Follows the job's log on stderr and ends with the job's own exit code.

    The cluster's machines have Deglu installed (deploy/Dockerfile); the spec travels, paths in it are the
    cluster's. A cluster with token authentication wants RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH here. Whoever may
    see the cluster's dashboard sees what --env hands on: give lasting secrets to the cluster itself.
    An interrupt here leaves the job running.

    \b
    Example:
      deglu submit embed deploy/specs/embed-demo.yaml --address http://head:8265 --env AWS_ENDPOINT_URL
    """
    checked = load_spec(verb, spec, overrides or ())
    if dry_run:
        return show(resolved(verb, checked), as_json)
    return show(named("jobs.cluster.submit_job:submit_job")(verb, spec, address, overrides or (), env or ()), as_json)


@app.command(epilog=EXIT_CODES)
def failures(dataset: Dataset, where: Where = None, as_json: AsJson = False, debug: Debug = False) -> int:
    """List what could not be embedded, grouped by reason.

    File, stage, span and reason of each; reads storage only, so no cluster is needed. --json has all of them.

    \b
    Examples:
      deglu failures s3://bucket/vectors --json
      deglu failures build/vectors --where stage=decode
    """
    return show(named("jobs.operate.list_failures:failures")(dataset, where or []), as_json)


@app.command(epilog=EXIT_CODES)
def verify(
    url: Annotated[str, typer.Argument(metavar="URL", help="A vectors dataset or an index: a folder or an s3:// url.")],
    number: Annotated[int | None, typer.Option("--version", min=1, help="This version; the newest by default.")] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Prove that a dataset or an index is whole.

    Reads all of it from storage: listed = embedded + failed + skipped, ids unique, checksums, fingerprints, lengths
    of vectors, nothing left of what was purged. Exit code 1 names the units, or the files, that do not hold.

    \b
    Examples:
      deglu verify s3://bucket/vectors
      deglu verify s3://bucket/index
    """
    with progress_on_stderr() as progress:
        result = named("jobs.verify_index:verify_any")(url, number, progress)
    return show(result, as_json)


@app.command(epilog=EXIT_CODES)
def forget(
    dataset: Dataset,
    asset: Annotated[
        list[str] | None, typer.Option("--asset", metavar="URI", help="As in the rows' `uri`; repeatable.")
    ] = None,
    compact: Annotated[
        bool, typer.Option("--compact", help="Purge the bytes now; versions that hold them are removed.")
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Take an asset down.

    Publishes a version without it at once. Its bytes stay in older versions until --compact rewrites the files
    that hold them; deglu verify then proves that they are gone. A forgotten asset is not embedded again.

    \b
    Examples:
      deglu forget build/vectors --asset radio/2026/monday.mp3
      deglu forget build/vectors --compact
    """
    if not asset and not compact:
        raise SpecError("nothing to forget: give --asset URI, or --compact to purge what was forgotten before")
    return show(named("jobs.operate.forget_asset:forget")(dataset, asset or [], compact), as_json)


@app.command(epilog=EXIT_CODES)
def status(dataset: Dataset, as_json: AsJson = False, debug: Debug = False) -> int:
    """Say how far a vectors dataset is, running or not.

    Hours done of hours planned, pace, time left, failures, versions; reads storage only, also after the cluster is
    gone.

    \b
    Example:
      deglu status s3://bucket/vectors
    """
    return show(named("jobs.operate.status:status")(dataset), as_json)


def _plan_training(path: str, overrides: list[str] | None, as_json: bool) -> int:
    spec = load_spec("train", path, overrides or ())
    with progress_on_stderr() as progress:
        result = named("jobs.planning.plan_training:plan_training")(spec, progress)
    return show(result, as_json)


def _job(verb: str, path: str, overrides: list[str] | None, as_json: bool, dry_run: bool, **options: Any) -> int:
    spec = load_spec(verb, path, overrides or ())
    if dry_run:
        return show(resolved(verb, spec), as_json)
    with progress_on_stderr() as progress:
        result = walk_through(verb, spec, progress, **options)
    return show(result, as_json)
