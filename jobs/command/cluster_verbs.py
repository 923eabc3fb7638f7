"""Verbs that talk to a Ray cluster: submit."""

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
