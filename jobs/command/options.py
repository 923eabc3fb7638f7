"""Options that verbs share, each defined once, and the last line of every --help."""

from typing import Annotated, Literal

import typer

EXIT_CODES = (
    "Exit codes: 0 complete; 1 failed; 2 the spec or the command line is wrong; 3 complete, with failures "
    "(see `deglu failures`); 4 a quality gate was missed; 130 interrupted, 143 ended by SIGTERM."
)

INTERRUPTED, TERMINATED = 130, 143  # exit codes after SIGINT and SIGTERM

SpecPath = Annotated[str, typer.Argument(metavar="SPEC", help="A YAML file; ready ones are in deploy/specs/.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Override a field of the spec, as in a.b=c; repeatable."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check the spec, show it with its defaults, and stop.")]
NewVersion = Annotated[
    bool, typer.Option("--new-version", help="Allow settings that differ from those of the current version.")
]
Where = Annotated[
    str | None,
    typer.Option("--where", metavar="FILTER", help="Only rows that meet this SQL condition; see above."),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks and the libraries' own log lines.")]
Dataset = Annotated[str, typer.Argument(metavar="DATASET", help="A vectors dataset: a folder or an s3:// url.")]
Modality = Literal["any", "speech", "text"]
