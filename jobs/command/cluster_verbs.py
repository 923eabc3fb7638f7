"""Verbs that talk to a Ray cluster: submit, doctor."""

from typing import Annotated, Literal

import typer

from jobs.command.doors import load_spec, named
from jobs.command.options import AsJson, Debug, DryRun, Overrides, SpecPath
from jobs.command.output import resolved, show


def submit(
    verb: Annotated[
        Literal["train", "embed", "retry", "index", "evaluate"], typer.Argument(metavar="VERB", help="The verb to run.")
    ],
    spec: SpecPath,
    address: Annotated[
        str,
        typer.Option(
            "--address", metavar="URL", envvar="RAY_API_SERVER_ADDRESS", help="Url of the cluster's dashboard."
        ),
    ],
    overrides: Overrides = None,
    env: Annotated[
        list[str] | None,
        typer.Option("--env", metavar="NAME", help="Pass this AWS_* or DEGLU_* variable, no secret; repeatable."),
    ] = None,
    shared: Annotated[
        list[str] | None,
        typer.Option(
            "--shared", metavar="FOLDER", help="Every machine of the cluster has this folder, at this path; repeatable."
        ),
    ] = None,
    as_json: AsJson = False,
    dry_run: DryRun = False,
    debug: Debug = False,
) -> int:
    """Run a verb on a Ray cluster.

    Follows the job's log on stderr and ends with the job's own exit code.

    The cluster's machines must have Deglu installed (deploy/Dockerfile); only the spec is sent. Inputs, outputs and
    models in it are s3:// urls, or below a --shared folder: a relative path, or one on a machine's own disk, is
    refused, since it is lost with the job. (Where this machine is the whole cluster, full paths are accepted.)
    A cluster with token authentication requires RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH
    here. Ray writes the values of --env into the cluster's logs, so a secret is refused: the machines get S3's keys
    by a Kubernetes secret, their role, their environment, or a profile in ~/.aws/credentials (--env AWS_PROFILE). An
    interrupt here does not stop the job; the last line then has the commands that follow and stop it.

    \b
    Example:
      deglu submit embed deploy/specs/embed-demo.yaml --address http://head:8265 --env AWS_ENDPOINT_URL
    """
    checked = load_spec(verb, spec, overrides or ())
    if dry_run:
        return show(resolved(verb, checked), as_json)
    submit_job = named("jobs.cluster.submit_job:submit_job")
    return show(submit_job(verb, spec, address, overrides or (), env or (), shared or ()), as_json)


def doctor(
    spec: Annotated[
        str | None,
        typer.Argument(metavar="[SPEC]", help="A job's spec: its model and places are examined too."),
    ] = None,
    address: Annotated[
        str | None, typer.Option("--address", metavar="URL", help="Url of a cluster's dashboard; else this machine.")
    ] = None,
    overrides: Overrides = None,
    env: Annotated[
        list[str] | None,
        typer.Option("--env", metavar="NAME", help="Pass this AWS_* or DEGLU_* variable to the cluster; repeatable."),
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Examine the machines that would run a job, before it runs.

    Every machine goes through the handshake that a job begins with: the same Deglu (version and code), a GPU where Ray
    offers one, the same weights of the spec's model, an output that it can write and that is the same folder for all,
    local inputs that it can read, and some room. Prints a table with versions, device, free disk and memory, cache
    folder, then each fault with its cause and cure. A job gives up a machine with a fault and runs on the others.

    Writes small files into the spec's output, and removes them. Exit code 0: all machines can run a worker; 1: one
    cannot.

    \b
    Examples:
      deglu doctor
      deglu doctor deploy/specs/embed-demo.yaml
      deglu doctor my-embed.yaml --address http://head:8265 --json
    """
    result = named("jobs.cluster.doctor:doctor")(spec, address, overrides or (), env or ())
    return show(result, as_json)
