"""Jobs sent to a real Ray head on the loopback interface, with token authentication."""

import contextlib
import os
import secrets
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from embed.dataset import open_dataset
from embed.errors import DegluError, SpecError
from embed.installation import installed
from jobs.cluster.doctor import doctor
from jobs.cluster.submit_job import (
    connect,
    entrypoint,
    find_token,
    follow,
    is_only_machine,
    job_environment,
    submit_job,
)
from tests.chaos_cluster import kill

START_S = 60


@dataclass(frozen=True)
class Head:
    """A running head: its dashboard's url and the file with its token."""

    url: str
    token: Path


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    folder = Path(tempfile.mkdtemp(prefix="dgh", dir="/tmp"))  # short: Ray's socket paths are limited
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32))
    port, dashboard = free_port(), free_port()
    with (folder / "ray.log").open("w") as log:
        process = subprocess.Popen(
            ray_start(folder, port, dashboard), env=head_environment(folder, token), stdout=log, stderr=log
        )
    try:
        url = f"http://127.0.0.1:{dashboard}"
        wait_for(url, process, folder / "ray.log")
        yield Head(url, token)
    finally:
        stop(process)
        shutil.rmtree(folder, ignore_errors=True)


def ray_start(folder: Path, port: int, dashboard: int) -> list[str]:
    ray = str(Path(sys.executable).parent / "ray")
    return [
        *(ray, "start", "--head", "--block", "--node-ip-address=127.0.0.1", "--num-cpus=2", f"--port={port}"),
        *("--include-dashboard=true", "--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}"),
        *(
            f"--dashboard-agent-listen-port={free_port()}",
            f"--ray-client-server-port={free_port()}",
            "--disable-usage-stats",
        ),
        *(f"--object-store-memory={100 * 2**20}", f"--temp-dir={folder / 'ray'}"),
    ]


def head_environment(folder: Path, token: Path) -> dict[str, str]:
    """Jobs run the `python` that the head finds on its PATH."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return kept | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_TMPDIR": str(folder),
        "RAY_USAGE_STATS_ENABLED": "0",
    }


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(requests.ConnectionError):
            # 401: it is up, and asks for the token.
            if requests.get(f"{url}/api/version", timeout=5).status_code == 401:
                return
        time.sleep(0.3)
    pytest.fail(f"the head did not come up: {log.read_text()[-2000:]}")


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the head and all that was born of it, by pid: Ray's own way to end takes more than twenty seconds.

    By descent: Ray gives its processes titles that hide what they were started with, and an agent that outlives its
    raylet keeps a core busy for minutes.
    """
    for pid in descendants(process.pid):
        kill(pid)
    process.kill()
    process.wait()


def descendants(ancestor: int) -> list[int]:
    """Pids of its children, of theirs, and so on."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found = [ancestor]
    for one in found:  # which grows
        found.extend(pid for pid, parent in parents.items() if parent == one)
    return found[1:]


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """Valid here; its model is missing on the cluster."""
    path = tmp_path / "embed.yaml"
    path.write_text("inputs: [{url: 's3://test/archive'}]\noutput: s3://test/vectors\nmodel: /nowhere/model\n")
    return path


@pytest.fixture
def known(head: Head, monkeypatch: pytest.MonkeyPatch) -> Head:
    """The head, with its token at hand on this side."""
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(head.token))
    return head


@pytest.mark.cluster
def test_the_jobs_exit_code_and_log_come_home(known: Head, spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = submit_job("embed", str(spec), known.url)
    log = capsys.readouterr().err
    assert result.exit_code == 2, log
    assert result.document()["status"] == "FAILED"
    assert log.count("model '/nowhere/model' is neither a released one") == 1


@pytest.mark.cluster
def test_an_archive_is_embedded_on_the_cluster(
    known: Head, tiny_model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One good file, one that is no sound: the job completes with a failure, and says so by its exit code.

    Full paths are accepted, since the cluster is this machine alone.
    """
    archive = tmp_path / "archive"
    archive.mkdir()
    (archive / "news.txt").write_text("the rain came early\n\nthe market is open\n")
    (archive / "broken.wav").write_text("this is no sound")
    path = tmp_path / "embed.yaml"
    path.write_text(f"inputs: [{{url: {archive}}}]\noutput: {tmp_path / 'vectors'}\nmodel: {tiny_model}\n")
    result = submit_job("embed", str(path), known.url)
    log = capsys.readouterr().err
    assert result.exit_code == 3, log
    dataset = open_dataset(str(tmp_path / "vectors"))
    assert dataset.info.rows == 2
    assert dataset.failures()["uri"].to_pylist() == ["archive/broken.wav"]


@pytest.mark.cluster
def test_the_doctor_examines_the_cluster(known: Head, tiny_model: str, tmp_path: Path) -> None:
    path = tmp_path / "embed.yaml"
    path.write_text(f"inputs: [{{url: {tmp_path}}}]\noutput: {tmp_path / 'vectors'}\nmodel: {tiny_model}\n")
    result = doctor(str(path), known.url)
    assert result.exit_code == 0, result.text()
    (machine,) = result.document()["machines"]
    assert (machine["deglu"], machine["proofs"]["model"]) == (installed(), "")


@pytest.mark.cluster
def test_inside_a_job_the_session_is_the_clusters(known: Head, capsys: pytest.CaptureFixture[str]) -> None:
    door = "from jobs.cluster.ray_session import ray_session"
    probe = f"import ray; {door}\nwith ray_session(): print(len(ray.nodes()), 'node')"
    client = connect(known.url)
    job = client.submit_job(entrypoint=shlex.join(["python", "-c", probe]))
    follow(client, job)
    log = capsys.readouterr().err
    assert client.get_job_info(job).driver_exit_code == 0, log
    assert "1 node\n" in log


@pytest.mark.cluster
def test_another_ray_address_does_not_win(known: Head, spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:9")
    assert submit_job("embed", str(spec), known.url).exit_code == 2


@pytest.mark.cluster
def test_a_path_of_this_machine_is_refused_by_a_cluster_of_others(
    known: Head, spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As behind a forwarded port: the address is on this machine, the cluster is not."""
    assert is_only_machine(known.url)
    monkeypatch.setattr(socket, "gethostname", lambda: "laptop")
    assert not is_only_machine(known.url)
    with pytest.raises(SpecError, match=r"^model = /nowhere/model: .* add --shared /nowhere$"):
        submit_job("embed", str(spec), known.url)


def test_a_relative_path_never_travels(spec: Path) -> None:
    with pytest.raises(SpecError, match=r"^output = build/vectors: a relative path"):
        submit_job("embed", str(spec), "http://127.0.0.1:9", overrides=["output=build/vectors"])


def test_an_address_that_does_not_list_its_machines_is_of_others() -> None:
    assert not is_only_machine(f"http://127.0.0.1:{free_port()}")


@pytest.mark.cluster
def test_a_wrong_token_is_one_clear_line(head: Head, spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "f" * 64)
    with pytest.raises(DegluError, match="authentication failed: set RAY_AUTH_TOKEN"):
        submit_job("embed", str(spec), head.url)


def test_nobody_at_the_address(spec: Path) -> None:
    with pytest.raises(DegluError, match=r"127\.0\.0\.1:\d+ cannot be reached"):
        submit_job("embed", str(spec), f"http://127.0.0.1:{free_port()}")


def test_an_address_that_never_answers_is_given_up_in_seconds(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.cluster.submit_job.ANSWER_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the kernel accepts; nobody reads
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(DegluError, match=r"accepts connections and does not answer, .* dashboard \(port 8265"):
            submit_job("embed", str(spec), url)


def test_an_address_is_a_url(spec: Path) -> None:
    with pytest.raises(SpecError, match="write the dashboard's url"):
        submit_job("embed", str(spec), "head:8265")


def test_a_missing_spec_never_travels() -> None:
    with pytest.raises(SpecError, match="no such spec file"):
        submit_job("embed", "nowhere.yaml", "http://127.0.0.1:9")


def test_the_shell_line_is_quoted() -> None:
    line = entrypoint("embed", "my spec.yaml", ["output=s3://b/$HOME"])
    assert line == "python -m jobs embed 'my spec.yaml' --set 'output=s3://b/$HOME'"


def test_only_named_variables_travel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert job_environment(["AWS_ENDPOINT_URL"]) == {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}


@pytest.mark.parametrize(("name", "cure"), [("HOME", "only variables named"), ("AWS_NOT_SET_HERE", "export it first")])
def test_a_variable_that_may_not_travel(name: str, cure: str) -> None:
    with pytest.raises(SpecError, match=cure):
        job_environment([name])


def test_the_token_is_looked_for_as_ray_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_token() is None
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("home\n")
    assert find_token() == "home"
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "missing"))
    with pytest.raises(SpecError, match="no such file"):
        find_token()
    monkeypatch.setenv("RAY_AUTH_TOKEN", "given")
    assert find_token() == "given"
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    assert find_token() is None
