"""Jobs sent to a real Ray head on the loopback interface, with token authentication."""

import contextlib
import os
import re
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
from unittest import mock

import pytest
import requests

from embed.dataset import open_dataset
from embed.errors import DegluError, SpecError
from embed.installation import installed
from evaluate.bench.s3_server import KEY, SECRET
from jobs.cluster.doctor import doctor
from jobs.cluster.submit_job import (
    connect,
    entrypoint,
    find_token,
    follow,
    is_only_machine,
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
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "AWS_"))}
    return kept | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_TMPDIR": str(folder),
        "RAY_USAGE_STATS_ENABLED": "0",
        "REPORTER_UPDATE_INTERVAL_MS": "60000",  # nobody looks at the load of the machine
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
    follow(client, job, known.url)
    log = capsys.readouterr().err
    assert client.get_job_info(job).driver_exit_code == 0, log
    assert "1 node\n" in log


@pytest.mark.cluster
def test_a_follower_that_is_interrupted_prints_commands_that_work(
    known: Head, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """They are run as printed, in an environment where Ray's own command would find another cluster, and no token."""
    client = connect(known.url)
    job = client.submit_job(entrypoint="sleep 600")
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:9")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    for signal, code, words in ((KeyboardInterrupt, 130, "interrupted"), (SystemExit, 143, "ended by SIGTERM")):
        monkeypatch.setattr(client, "tail_job_logs", mock.Mock(side_effect=signal))
        with pytest.raises(DegluError, match=f"^{words}; job {job} keeps running: follow it with ") as ended:
            follow(client, job, known.url)
        assert ended.value.exit_code == code
    logs, stop = re.findall("`(.*?)`", str(ended.value))
    assert logs.replace(" logs --follow ", " stop ") == stop
    subprocess.run(stop, shell=True, check=True, timeout=120)
    assert client.get_job_status(job) == "STOPPED"


@pytest.mark.cluster
@pytest.mark.s3
def test_keys_are_used_and_are_in_no_log_of_the_cluster(
    known: Head,
    s3_server: str,
    tiny_model: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The machines have the keys as a profile; what --env passes is in the logs, which is why secrets are refused."""
    path, keys = tmp_path / "embed.yaml", tmp_path / "keys"
    path.write_text(f"inputs: [{{url: 's3://test/in'}}]\noutput: s3://test/nothing-here\nmodel: {tiny_model}\n")
    keys.write_text(f"[radio]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n")
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:9")  # which must not win
    monkeypatch.setenv("AWS_PROFILE", "radio")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(keys))
    names = ["AWS_ENDPOINT_URL", "AWS_REGION", "AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE"]
    with pytest.raises(SpecError, match="its value is a secret"):
        submit_job("retry", str(path), known.url, env_names=["AWS_SECRET_ACCESS_KEY"])
    with pytest.raises(SpecError, match="a url must contain no password"):
        submit_job("retry", str(path), known.url, [f"output=s3://{KEY}:{SECRET}@test/out"], names)
    assert submit_job("retry", str(path), known.url, env_names=names).exit_code == 1
    assert "s3://test/nothing-here: nothing is published yet" in capsys.readouterr().err  # so its keys were accepted
    logs = [file for file in known.token.parent.rglob("*") if file.is_file() and not file.is_symlink()]
    assert any(str(keys).encode() in log.read_bytes() for log in logs if log.name == "runtime_env_agent.log")
    assert not [str(log) for log in logs if SECRET.encode() in log.read_bytes()]


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
