"""`deglu serve` as a process: it answers at its address, and ends cleanly."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from embed.errors import FingerprintMismatch, SpecError
from jobs.serving.serve_index import Address, serve
from tests.jobs.asked import asked_index
from tests.towers import encoder_values, model_in

SECRET = "a-token-of-nobody-else"


def test_others_need_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEGLU_TOKENS", raising=False)
    with pytest.raises(SpecError, match=r"--host 0\.0\.0\.0 can be reached from other machines: set DEGLU_TOKENS"):
        serve(["nowhere"], Address("0.0.0.0", 0))
    monkeypatch.setenv("DEGLU_TOKENS", f"{{{SECRET}")
    with pytest.raises(SpecError) as error:
        serve(["nowhere"], Address(port=0))
    assert SECRET not in str(error.value)


@pytest.mark.parametrize(("host", "names"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("::", False)])
def test_a_loopback_address_answers_to_its_own_names_alone(host: str, names: bool) -> None:
    assert ("*" not in Address(host).names) == names


@pytest.fixture(scope="module")
def served_index(tiny_model: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    return asked_index(tiny_model, str(tmp_path_factory.mktemp("served") / "index"))


@pytest.mark.slow
def test_a_process_answers_and_ends(served_index: str) -> None:
    environment = {**os.environ, "DEGLU_TOKENS": json.dumps({SECRET: []}), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "jobs", "serve", served_index, "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stderr is not None
            shown = next(line for line in process.stderr if "http://" in line)
            found = re.search(r"http://127\.0\.0\.1:(\d+)/", shown)
            assert found is not None, shown
            answer = _posted(f"{found[0]}v1/search", {"text": "rain", "k": 2})
            assert [hit["rank"] for hit in answer["hits"]] == [1, 2]
            taken = [*command[:-1], found[1]]
            second = subprocess.run(taken, capture_output=True, text=True, env=environment, timeout=100)
            assert (second.returncode, "give another port" in second.stderr) == (2, True), second.stderr
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
            assert SECRET not in shown + process.stderr.read()
        finally:
            process.kill()


@pytest.mark.slow
def test_a_model_of_another_space_is_refused(tiny: Callable[[str], str], served_index: str, tmp_path: Path) -> None:
    other = model_in(tmp_path / "other", encoder_values(tiny, "qwen3", None))
    with pytest.raises(FingerprintMismatch, match="is in space"):
        serve([served_index], Address(port=0), other)


def _posted(url: str, body: dict[str, Any]) -> Any:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {SECRET}"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)
