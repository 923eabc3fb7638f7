"""`deglu doctor`: the handshake of a job on each machine of a cluster, or on this one, without the job.

spec -> Terms -> each machine: its report, with a fault for each proof that fails -> a table, exit code 0 or 1
"""

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import chain, islice
from typing import Any

from embed.base_spec import Spec
from embed.errors import DegluError, InputError
from embed.model.handle import resolve_model
from embed.quantities import many, size
from embed.storage import store
from embed.storage.cache import cache_folder
from jobs.cluster.handshake import MODEL, NETWORK, TOWER, Terms, Weights, local_files, marked
from jobs.cluster.machine_report import report_here
from jobs.cluster.places import MODELS, TOWERS, fields_of, places_of
from jobs.command.doors import load_spec, verb_of
from jobs.command.output import Plain
from jobs.command.terminal import add_row, drawn, table_of

# Folders that workers write to; the driver alone writes to the other outputs.
BY_WORKERS = {"embed": ("output",), "train": ("work", "checkpoints.url")}
OUTPUTS = ("output", "work", "checkpoints.url")
ENDS_WITHIN_S = 300.0  # of the job that examines a cluster
POLL_S = 1.0
SOME = 3  # local inputs that each machine must read


def doctor(
    spec_path: str | None = None,
    address: str | None = None,
    overrides: Sequence[str] = (),
    env_names: Sequence[str] = (),
) -> Plain:
    """Examine this machine; or the cluster at `address`; or, inside a cluster's job, that cluster.

    Raises SpecError where the spec is wrong, DegluError where the driver itself lacks what the spec names, or the
    cluster does not answer.
    """
    if address:
        return _result(_of_cluster(spec_path, address, overrides, env_names))
    with _terms(spec_path, overrides) as terms:
        if os.environ.get("RAY_ADDRESS", "local") == "local":
            return _result([report_here(terms)])
        return _result(_of_machines(terms))


@contextmanager
def _terms(path: str | None, overrides: Sequence[str]) -> Iterator[Terms]:
    """What each machine must prove for the job of a spec; without a spec: the installation, and room."""
    if path is None:
        yield Terms()
        return
    verb = verb_of(path)
    spec = load_spec(verb, path, overrides)
    places = dict(places_of(verb, spec))
    if verb == "train":
        places.setdefault("work", str(cache_folder() / "train"))
    inputs = [(field, _some_files(field, url)) for field, url in places.items() if field not in OUTPUTS]
    with ExitStack() as stack:
        marks = [stack.enter_context(marked(name, url)) for name, url in places.items() if name in OUTPUTS]
        shared = BY_WORKERS.get(verb, ())
        files = [mark for mark in marks if mark.field in shared]
        files += [file for field, urls in inputs for file in local_files(field, urls, SOME)]
        yield Terms(
            _weights(verb, spec), tuple(files), tuple((name, places[name]) for name in shared if name in places)
        )


def _weights(verb: str, spec: Spec) -> tuple[Weights, ...]:
    models = [(field, resolve_model(name).lasting_name) for field, name in fields_of(MODELS, verb, spec)]
    found = [Weights.of(MODEL, field, name) for field, name in models]
    found += [Weights.of(TOWER, field, name) for field, name in fields_of(TOWERS, verb, spec)]
    return (*found, *([Weights.of(NETWORK, "segment", "silero-vad")] if verb == "embed" else []))


def _some_files(field: str, url: str) -> list[str]:
    """A few files at or below a local url; a remote one is reached by the same endpoint and keys as the output."""
    path = store.local_path(url)
    if path is None:
        return []
    if not path.exists():
        raise InputError(f"{field} = {url}: there is no such file or folder on this machine; correct the path")
    return [str(one) for one in islice((one for one in chain([path], path.rglob("*")) if one.is_file()), SOME)]


def _of_machines(terms: Terms) -> list[dict[str, Any]]:
    """Of every machine of the cluster that this process is a job of."""
    from jobs.cluster.machines import answers  # Ray takes a second to import
    from jobs.cluster.ray_session import ray_session

    with ray_session():
        import ray

        nodes = [node for node in ray.nodes() if node["Alive"]]
        acts = {node["NodeID"]: partial(report_here, terms, node["Resources"].get("GPU", 0.0) > 0) for node in nodes}
        found = []
        for one in answers(lambda node: acts[node["NodeID"]], nodes, calls=1):
            fault = one.fault or ("" if one.value else "it does not answer: see that it is not overloaded")
            report = one.value or {"machine": "", "proofs": {"deglu": fault}}
            found.append({**report, "machine": one.name})
    return sorted(found, key=lambda report: str(report["machine"]))


def _of_cluster(
    spec_path: str | None, address: str, overrides: Sequence[str], env_names: Sequence[str]
) -> list[dict[str, Any]]:
    """By a job on the cluster, which prints its document last."""
    from jobs.cluster.job_environment import job_environment
    from jobs.cluster.submit_job import connect, plain_errors, send

    environment = job_environment(env_names)
    if spec_path is not None:
        load_spec(verb_of(spec_path), spec_path, overrides)
    with plain_errors(address):
        client = connect(address)
        job = send(client, "doctor", spec_path, overrides, environment, ["--json"])
        until = time.monotonic() + ENDS_WITHIN_S
        while not client.get_job_status(job).is_terminal():
            if time.monotonic() > until:
                client.stop_job(job)
                raise DegluError(f"{address}: job {job} did not end within {ENDS_WITHIN_S:.0f} s; see its log there")
            time.sleep(POLL_S)
        log = client.get_job_logs(job)
    return _printed(log, f"{address}: job {job}")


def _printed(log: str, job: str) -> list[dict[str, Any]]:
    """The machines in the document at the end of a log; DegluError with its last line where there is none."""
    lines = log.splitlines()
    starts = [number for number, line in enumerate(lines) if line == "{"]
    try:
        machines: list[dict[str, Any]] = json.loads("\n".join(lines[starts[-1] :]))["machines"]
    except (IndexError, ValueError, KeyError):
        last = next((line for line in reversed(lines) if line.strip()), "it printed nothing")
        raise DegluError(f"{job} failed: {last.removeprefix('deglu: ')}") from None
    return machines


def _result(machines: Sequence[Mapping[str, Any]]) -> Plain:
    faulty = [machine for machine in machines if any(machine["proofs"].values())]
    text = "\n".join([drawn(_table(machines)), *_faults(machines), *_differences(machines), _summary(machines, faulty)])
    return Plain({"machines": list(machines), "exit_code": int(bool(faulty))}, text, int(bool(faulty)))


def _table(machines: Sequence[Mapping[str, Any]]) -> Any:
    table = table_of("MACHINE", "DEGLU", "PYTHON", "DEVICE", "MODEL", "STORAGE", "DISK", "MEMORY", "CACHE")
    for one in machines:
        proofs = {name: "FAULT" if fault else "ok" for name, fault in one["proofs"].items()}
        facts = [one.get(name, "-") for name in ("deglu", "python", "device")]
        rooms = [size(one[name]) if one.get(name) else "-" for name in ("disk_free_bytes", "memory_available_bytes")]
        add_row(table, one["machine"], *facts, *(proofs.get(name, "-") for name in ("model", "storage")), *rooms,
                one.get("cache", "-"))  # fmt: skip
    return table


def _faults(machines: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for one in machines:
        for name, fault in one["proofs"].items():
            if fault:
                yield f"fault    {one['machine']}, {name}: {fault}"


def _differences(machines: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A line for each package of which machines have several versions: results may differ in the last digits."""
    for name in dict.fromkeys(name for one in machines for name in one.get("packages", ())):
        places: dict[str, list[str]] = {}
        for one in machines:
            if name in one.get("packages", ()):
                places.setdefault(one["packages"][name], []).append(one["machine"])
        if len(places) > 1:
            kinds = "; ".join(f"{version} on {', '.join(on)}" for version, on in places.items())
            yield f"notice   {name} differs: {kinds}"


def _summary(machines: Sequence[Mapping[str, Any]], faulty: Sequence[Mapping[str, Any]]) -> str:
    if len(machines) == 1 and not faulty:
        return f"{machines[0]['machine']} can run a worker"
    return f"{len(machines) - len(faulty)} of {many(len(machines), 'machine')} can run a worker"
