"""Command line `deglu`: its help, and the verbs in the order in which the help lists them."""

from importlib.metadata import version
from typing import Annotated

import typer

from jobs.command.cluster_verbs import doctor, submit
from jobs.command.export_verbs import exports
from jobs.command.job_verbs import demo, embed, evaluate, index, plan, retry, train
from jobs.command.look_verbs import card, failures, forget, query, repeats, status, verify
from jobs.command.options import EXIT_CODES
from jobs.command.serve_verbs import serve

app = typer.Typer(
    name="deglu",
    rich_markup_mode=None,  # plain text: quick to start, the same in a pipe and on a terminal
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=EXIT_CODES,
)

JOBS = (demo, train, plan, embed, retry, index, evaluate)
VERBS = (*JOBS, query, serve, submit, doctor, failures, repeats, verify, forget, status, card)
for _verb in VERBS:
    app.command(epilog=EXIT_CODES)(_verb)
app.add_typer(exports, name="export")


def _version(show: bool) -> None:
    if show:
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
    The steps:
      deglu demo                                 all steps, on this machine, in minutes
      deglu plan deploy/specs/embed-demo.yaml    what an archive will take
      deglu embed deploy/specs/embed-demo.yaml   an archive becomes vectors
      deglu index deploy/specs/index-demo.yaml   vectors become an index
      deglu query INDEX --text "..."             a question becomes answers

    Every verb has a --help with an example. Progress goes to stderr, results to stdout.
    """
