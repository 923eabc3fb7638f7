"""Verbs for a finished or running dataset or index: query, failures, verify, forget, status, repeats."""

from typing import Annotated

import typer

from embed.errors import SpecError
from jobs.command.doors import named
from jobs.command.filters import failure_filter, passed_over_filter, row_filter
from jobs.command.options import AsJson, Dataset, Debug, Modality, Where
from jobs.command.output import show
from jobs.command.progress import progress_on_stderr


def query(
    index: Annotated[str, typer.Argument(metavar="INDEX", help="An index: a folder or an s3:// url.")],
    text: Annotated[str | None, typer.Option("--text", help="A typed question.")] = None,
    audio: Annotated[str | None, typer.Option("--audio", metavar="FILE", help="A spoken question.")] = None,
    batch: Annotated[
        str | None, typer.Option("--batch", metavar="FILE", help="Many questions: one JSON object a line.")
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Number of answers.")] = 10,
    modality: Annotated[Modality, typer.Option("--modality", help="Rows that may answer.")] = "any",
    dim: Annotated[int | None, typer.Option("--dim", min=1, help="Use this declared width only.")] = None,
    recall: Annotated[
        float | None, typer.Option("--recall", help="Share of the true best to find; by default that of the index.")
    ] = None,
    budget_ms: Annotated[
        float | None, typer.Option("--budget-ms", help="In place of --recall: time per question and modality.")
    ] = None,
    where: Where = None,
    model: Annotated[
        str | None, typer.Option("--model", help="The encoder that made the index; demo by default.")
    ] = None,
    collapse: Annotated[
        bool, typer.Option("--collapse", help="Show a sound that was broadcast often once, by its repeats.")
    ] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Print what each stage did and cost.")] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Ask an index a typed or a spoken question.

    Each answer has score, asset, start and end, and title, date and text where they are known. Recall and milliseconds
    are those that were measured when the index was built; --recall 1 reads every row. --explain prints what was read.

    \b
    Examples:
      deglu query build/index --text "press the hash key" --modality speech
      deglu query build/index --audio question.wav -k 5 --json
      deglu query build/index --batch questions.jsonl --recall 0.999 --json
      deglu query build/index --text "rain" --budget-ms 2 --explain
      deglu query build/index --text "rain" --where "lang = 'wo' and start_s < 3600"
      deglu query build/index --text "rain" --collapse

    With --collapse the column "also" counts the other broadcasts of an answer.
    A batch line is {"text": "..."} or {"audio": "FILE"}.

    \b
    A filter is one SQL condition on the columns of a row:
      lang = 'wo' and start_s < 3600                      Wolof, in the first hour of a recording
      uri like 'radio/2026/%'                             % is any characters, _ is one
      metadata['programme'] in ('news', 'debate')
      modality = 'text' or not 90 between start_s and end_s
    columns: uri item lang text modality, metadata['key'], start_s end_s (seconds), start end (characters), and the
    ids. Also <> <= > >=, is null, is not null, brackets. A comparison keeps no row without the value.
    """
    if sum(given is not None for given in (text, audio, batch)) != 1:
        raise SpecError("a question is one of --text, --audio and --batch: give exactly one")
    from index.contracts import SearchRequest  # numpy and pyarrow are slow to load, and --help needs neither

    request = SearchRequest(k, modality, dim, recall, budget_ms, row_filter(where), explain=explain)
    query_index = named("jobs.asking.query_index:query_index")
    result = query_index(index, request, text=text, audio=audio, batch=batch, model=model, collapse_repeats=collapse)
    return show(result, as_json)


def failures(
    dataset: Dataset,
    where: Where = None,
    skipped: Annotated[
        bool, typer.Option("--skipped", help="List the files that are passed over instead: hidden, pictures, excluded.")
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """List what could not be embedded, grouped by reason.

    Prints file, stage, span and reason of each; reads storage only, so no cluster is needed. --json has all of them.

    \b
    Examples:
      deglu failures s3://bucket/vectors --json
      deglu failures build/vectors --where "stage = 'decode'"
      deglu failures build/vectors --where "error_class = 'InputError' and uri like 'radio/2026/%'"
      deglu failures build/vectors --skipped

    A filter is one SQL condition, as in deglu query, on the columns of a failure: uri stage error_class message,
    lost_s (seconds), attempts, start end (milliseconds, or bytes or rows of texts), unit_id asset_id.
    With --skipped the columns are uri and kind.
    """
    if skipped:
        listed = named("jobs.operate.list_passed_over:passed_over")
        return show(listed(dataset, passed_over_filter(where)), as_json)
    return show(named("jobs.operate.list_failures:failures")(dataset, failure_filter(where)), as_json)


def verify(
    url: Annotated[str, typer.Argument(metavar="URL", help="A vectors dataset or an index: a folder or an s3:// url.")],
    number: Annotated[int | None, typer.Option("--version", min=1, help="This version; the newest by default.")] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Verify that a dataset or an index is complete and correct.

    Reads all of it from storage: listed = embedded + failed + skipped, ids unique, checksums, fingerprints, lengths
    of vectors, nothing left of what was purged. With exit code 1 the output names the units, or the files, that are
    wrong.

    \b
    Examples:
      deglu verify s3://bucket/vectors
      deglu verify s3://bucket/index
    """
    with progress_on_stderr() as progress:
        result = named("jobs.operate.verify:verify")(url, number, progress)
    return show(result, as_json)


def forget(
    dataset: Dataset,
    asset: Annotated[
        list[str] | None, typer.Option("--asset", metavar="URI", help="As in the rows' `uri`; repeatable.")
    ] = None,
    compact: Annotated[
        bool, typer.Option("--compact", help="Delete the bytes now, and the versions that contain them.")
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Remove an asset from a dataset.

    Publishes a version without it at once. Its bytes stay in older versions until --compact rewrites the files
    that contain them; deglu verify then confirms that they are gone. A forgotten asset is not embedded again.

    \b
    Examples:
      deglu forget build/vectors --asset radio/2026/monday.mp3
      deglu forget build/vectors --compact
    """
    if not asset and not compact:
        raise SpecError("nothing to forget: give --asset URI, or --compact to purge what was forgotten before")
    return show(named("jobs.operate.forget_asset:forget")(dataset, asset or [], compact), as_json)


def card(dataset: Dataset, as_json: AsJson = False, debug: Debug = False) -> int:
    """Write the data set card of a dataset.

    README.md in the dataset's folder, in the form of Hugging Face's hub: languages, size, columns, encoder, widths, and
    how to open it. A card that was edited is never replaced.

    \b
    Example:
      deglu card build/vectors
    """
    return show(named("jobs.operate.write_card:card")(dataset), as_json)


def status(
    url: Annotated[str, typer.Argument(metavar="URL", help="A vectors dataset or an index: a folder or an s3:// url.")],
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Show the progress of a dataset, or the recall of an index.

    Of a dataset, running or not: hours done of hours planned, pace, time left, failures, versions; reads storage only,
    so it works when the cluster is gone. Of an index: the recall found by the questions that open_index(url, audit=...)
    has audited, next to the recall promised, with a warning where a promise is broken.

    \b
    Examples:
      deglu status s3://bucket/vectors
      deglu status build/index
    """
    return show(named("jobs.operate.status:status")(url), as_json)


def repeats(
    dataset: Dataset,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Find jingles, spots and re-broadcasts.

    Compares the recordings that are new since the last call with all before them, by the fingerprints that deglu embed
    keeps with `repeats: true`: re-encoded, louder, at 8 kHz, up to 2 % faster or slower, from 3 s on. Each repeat gets
    a row with its first broadcast; nothing is cut. Reads storage only; after a stop the same command continues.

    \b
    Examples:
      deglu embed my-embed.yaml --set repeats=true
      deglu repeats build/vectors
      deglu query build/index --text "rain" --collapse
    """
    with progress_on_stderr() as progress:
        result = named("jobs.operate.find_repeats:repeats")(dataset, progress)
    return show(result, as_json)
