"""Submission of a verb to a Ray cluster: its spec is sent, its log followed, its exit code returned.

The cluster's machines have Deglu installed; only the spec is sent, so that its places must be valid there: see
`jobs.cluster.places`.  A cluster that requires a token gets the one that
Ray itself would use here: RAY_AUTH_TOKEN, the file RAY_AUTH_TOKEN_PATH, or ~/.ray/auth_token.
"""

import asyncio
import logging
import os
import shlex
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import requests
from ray.exceptions import AuthenticationError
from ray.job_submission import JobStatus, JobSubmissionClient

from embed.errors import DegluError, SpecError
from embed.redaction import redacted
from jobs.cluster.job_environment import job_environment
from jobs.cluster.places import check_shared, local_places
from jobs.cluster.ray_session import ANSWER_S
from jobs.command.doors import load_spec
from jobs.command.options import INTERRUPTED, TERMINATED
from jobs.command.output import Plain
from jobs.command.terminal import escaped

POLL_S = 1.0
CHANGE_S = 120.0  # the wait for the answer to a request that starts or uploads something
PATIENCE_S = 60.0  # how long a cluster may be out of reach while its job is followed
NODES_S = 30.0  # the wait for the cluster's list of machines
ADDRESS_VARIABLES = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS")

# Ray's client sets these to INFO; their lines on the upload of a package would be mixed into the job's log.
for _chatty in ("dashboard.modules.dashboard_sdk", "dashboard.modules.job.sdk", "_private.runtime_env.packaging"):
    logging.getLogger(f"ray.{_chatty}").setLevel(logging.WARNING)


def submit_job(
    verb: str,
    spec_path: str,
    address: str,
    overrides: Sequence[str] = (),
    env_names: Sequence[str] = (),
    shared: Sequence[str] = (),
) -> Plain:
    """Run `deglu VERB SPEC` on the cluster at `address` (http://head:8265) and wait; its log goes to stderr.

    `shared` are folders that every machine of the cluster has at the same path.  Raises SpecError where the spec is
    wrong, names a place that is not valid on all machines, or a variable may not be passed; DegluError where the
    cluster cannot be reached, or rejects the token or the job.

    >>> import deglu
    >>> deglu.submit("embed", "missing.yaml", "http://head:8265")
    Traceback (most recent call last):
    embed.errors.SpecError: missing.yaml: no such spec file; the ready ones are in deploy/specs/
    """
    environment = job_environment(env_names)
    places = local_places(verb, load_spec(verb, spec_path, overrides))
    with plain_errors(address):
        client = connect(address)
        if places and not is_only_machine(address):
            check_shared(places, shared)
        job = send(client, verb, spec_path, overrides, environment)
        sys.stderr.write(escaped(redacted(f"job {job} runs on {address}\n")))
        follow(client, job, address)
        return _outcome(client, job)


class FollowerEnded(DegluError):
    """The command that followed a job was ended by a signal; the job was not."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def ray_job(verb: str, job: str, address: str) -> str:
    """The command line of Ray that follows (`logs --follow`) or stops a job, right as it is in this environment.

    Without RAY_AUTH_MODE Ray's command sends no token, and variables with an address win over --address.
    """
    settings = {"RAY_AUTH_MODE": "token"} if find_token() else {}
    if any(os.environ.get(name, address) != address for name in ADDRESS_VARIABLES):
        settings["RAY_API_SERVER_ADDRESS"] = address
    ray = "ray" if shutil.which("ray") else str(Path(sys.executable).parent / "ray")
    words = [ray, "job", *verb.split(), job, "--address", address]
    return " ".join([*(f"{name}={shlex.quote(value)}" for name, value in settings.items()), shlex.join(words)])


def connect(address: str) -> JobSubmissionClient:
    """A client of the cluster's job service, with the token found here."""
    if not address.startswith(("http://", "https://")):
        raise SpecError(f"--address {address}: write the dashboard's url, as in http://head:8265")
    with _without(ADDRESS_VARIABLES):  # Ray would prefer them to the given address
        return _Client(address, headers=_headers())


class _Client(JobSubmissionClient):  # type: ignore[misc]
    """Ray's client, with an end to its waiting: a service that accepts a connection may never answer."""

    def _do_request(self, method: str, endpoint: str, **options: Any) -> Any:
        limit_s = ANSWER_S if method == "GET" else CHANGE_S
        return super()._do_request(method, endpoint, **{"timeout": limit_s, **options})


def is_only_machine(address: str) -> bool:
    """Whether this machine is the cluster's only one, so that each path is the same here and there.

    The address does not tell: a forwarded port of another cluster is on this machine, too.
    """
    url, until = f"{address.rstrip('/')}/nodes?view=hostNameList", time.monotonic() + NODES_S
    with suppress(requests.RequestException, ValueError, KeyError, TypeError):
        while time.monotonic() < until:
            if names := requests.get(url, headers=_headers(), timeout=NODES_S).json()["data"]["hostNameList"]:
                return bool(names == [socket.gethostname()])
            time.sleep(POLL_S)  # a cluster that has just started has an empty list for some seconds
    return False


def find_token() -> str | None:
    """The token, searched in Ray's own order of places; read here, since Ray caches the first token of a process."""
    if os.environ.get("RAY_AUTH_MODE") == "disabled":
        return None
    if token := os.environ.get("RAY_AUTH_TOKEN"):
        return token.strip()
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    path = Path(named) if named else Path.home() / ".ray" / "auth_token"
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        if named:
            raise SpecError(f"RAY_AUTH_TOKEN_PATH={named}: no such file; write the cluster's token there") from None
        return None


def _headers() -> dict[str, str] | None:
    token = find_token()
    return {"Authorization": f"Bearer {token}"} if token else None


def entrypoint(verb: str, spec_name: str, overrides: Sequence[str]) -> str:
    """The shell line that the cluster runs."""
    settings = [part for override in overrides for part in ("--set", override)]
    return shlex.join(["python", "-m", "jobs", verb, spec_name, *settings])


def follow(client: JobSubmissionClient, job: str, address: str) -> None:
    """Copy the job's log to stderr until the job has ended; reconnects after a lost connection.

    Raises DegluError where the connection stays lost, FollowerEnded on an interrupt or SIGTERM; the job runs on.
    """
    log = _LogCopy(client, job)
    cure = f"follow it with `{ray_job('logs --follow', job, address)}`, stop it with `{ray_job('stop', job, address)}`"
    lost_since: float | None = None
    while True:
        try:
            asyncio.run(log.go_on())
            if client.get_job_status(job).is_terminal():
                return
            lost_since = None
        except (RuntimeError, OSError, aiohttp.ClientError) as error:
            lost_since = lost_since or time.monotonic()
            if time.monotonic() - lost_since > PATIENCE_S:
                raise DegluError(
                    f"lost the connection to job {job}, which may still run ({_line(error)}); {cure}"
                ) from error
        except KeyboardInterrupt:
            raise FollowerEnded(f"interrupted; job {job} keeps running: {cure}", INTERRUPTED) from None
        except SystemExit:  # of a SIGTERM
            raise FollowerEnded(f"ended by SIGTERM; job {job} keeps running: {cure}", TERMINATED) from None
        time.sleep(POLL_S)


@dataclass
class _LogCopy:
    """Copy of a job's log to stderr."""

    client: JobSubmissionClient
    job: str
    written: int = 0  # characters

    async def go_on(self) -> None:
        """Ray sends the log from its start each time: the part that was written before is skipped."""
        seen = 0
        async for chunk in self.client.tail_job_logs(self.job):
            fresh = chunk[max(self.written - seen, 0) :]
            seen += len(chunk)
            self.written = max(self.written, seen)
            sys.stderr.write(escaped(redacted(fresh)))
            sys.stderr.flush()


def send(
    client: JobSubmissionClient,
    verb: str,
    spec_path: str | None,
    overrides: Sequence[str],
    environment: dict[str, str],
    options: Sequence[str] = (),
) -> str:
    """Start `deglu VERB SPEC` with these options on the cluster; the id of its job."""
    runtime_env: dict[str, Any] = {"env_vars": environment}
    with tempfile.TemporaryDirectory(prefix="deglu-job-") as folder:
        if spec_path is None:
            line = shlex.join(["python", "-m", "jobs", verb, *options])
        else:
            name = Path(spec_path).name
            shutil.copyfile(spec_path, Path(folder) / name)
            runtime_env["working_dir"] = folder
            line = shlex.join([*shlex.split(entrypoint(verb, name, overrides)), *options])
        job: str = client.submit_job(entrypoint=line, runtime_env=runtime_env)
    return job


def _outcome(client: JobSubmissionClient, job: str) -> Plain:
    """The job's own exit code; 1 where it was stopped or never started."""
    info = client.get_job_info(job)
    code = info.driver_exit_code
    if info.status == JobStatus.SUCCEEDED:
        code = 0
    elif not code or code < 0:  # killed by a signal, or never started: no code of ours
        code = 1
    text = f"job {job} {info.status.lower()}, exit code {code}"
    if code == 1 and info.driver_exit_code is None:
        text += f": {_line(info.message)}"
    return Plain({"job": job, "status": str(info.status.value), "exit_code": code}, text, code)


@contextmanager
def plain_errors(address: str) -> Iterator[None]:
    """Errors of Ray's client, each as one line with the cure."""
    try:
        yield
    except AuthenticationError:
        raise DegluError(
            f"{address}: authentication failed: set RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH to the cluster's token"
        ) from None
    except requests.exceptions.Timeout:
        raise DegluError(
            f"{address} accepts connections and does not answer, in {ANSWER_S:.0f} s: is this the url of a cluster's"
            " dashboard (port 8265 by default), and does its head run?"
        ) from None
    except (ConnectionError, requests.exceptions.RequestException) as error:
        raise DegluError(
            f"{address} cannot be reached ({type(error).__name__}); is the cluster up, and is this its dashboard's url?"
        ) from error
    except RuntimeError as error:
        raise DegluError(f"{address} rejected the job: {_line(error)}") from error


@contextmanager
def _without(names: Sequence[str]) -> Iterator[None]:
    kept = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)


def _line(message: object) -> str:
    return " ".join(str(message).split())[:300]
