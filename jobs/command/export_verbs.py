"""Verbs that write what Deglu made in the form of other tools: export vectors, export model."""

from typing import Annotated

import typer

from jobs.command.doors import named
from jobs.command.filters import row_filter
from jobs.command.options import EXIT_CODES, AsJson, Dataset, Debug, Where
from jobs.command.output import show
from jobs.command.progress import progress_on_stderr

exports = typer.Typer(
    help="Write vectors or a model in the form of other tools.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog=EXIT_CODES,
)


@exports.command(epilog=EXIT_CODES)
def vectors(
    dataset: Dataset,
    folder: Annotated[str, typer.Argument(metavar="OUT", help="A new folder, or an s3:// url for files.")],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="STORE",
            help="parquet, npy, lance, sqlite-vec, pgvector, opensearch or milvus.",
        ),
    ] = "parquet",
    dim: Annotated[int | None, typer.Option("--dim", min=1, help="A declared width; full width by default.")] = None,
    number: Annotated[int | None, typer.Option("--version", min=1, help="This version; the newest by default.")] = None,
    where: Where = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Write the vectors of a dataset for another store.

    Vectors are cut to --dim and scaled to unit length again, as float32; ids, places in the recordings, languages,
    texts and metadata come along. The output says how to open or load them.

    A killed export goes on with the same command. A later version of the dataset goes to a new folder.

    \b
    Examples:
      deglu export vectors build/vectors build/lance --to lance
      deglu export vectors s3://bucket/vectors build/pg --to pgvector --dim 128
      deglu export vectors build/vectors build/npy --to npy --where "lang = 'wo' and modality = 'speech'"

    \b
    Stores:
      parquet     data/*.parquet, vector as a fixed-size list: pyarrow, polars, DuckDB
      npy         data/*.npy for numpy, and the provenance as Parquet, row by row the same
      lance       vectors.lance, a table; requires pylance
      sqlite-vec  vectors.db, with a vec0 table; requires apsw and sqlite-vec
      pgvector    data/*.csv and load.sql, for psql
      opensearch  data/*.ndjson, bodies of bulk requests, and mapping.json
      milvus      data/*.parquet for a bulk import, and collection.json
    """
    export = named("jobs.operate.export_vectors:export")
    with progress_on_stderr() as progress:
        result = export(dataset, folder, to, dim, number, row_filter(where), progress)
    return show(result, as_json)


@exports.command(epilog=EXIT_CODES)
def model(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A released model's name, or a model's folder.")],
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="Folder to write; it must not exist.")],
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Write a model's text side for sentence-transformers.

    Tower, pooling and nesting transform, with the prompts query and document; truncate_dim cuts to a declared width.
    Speech is not exported: that library does not support it. Requires the extra `export`.

    \b
    Example:
      deglu export model demo build/demo-text
    """
    return show(named("jobs.training.export_model:export_model")(model, folder), as_json)
