"""Uploads that are made to harm: each is refused with a sentence, and the service lives on in bounded memory."""

import json
import multiprocessing as mp
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.index.serve.hostile import PLAYABLE, attack, recording

IN_TESTS, IN_CAMPAIGN = 40, 500
PATIENCE_S = 300  # on a busy machine
MOST_BYTES = 400 << 20  # that the peak grows by


def result_of(index: str, secret: str, num_mutants: int) -> dict[str, Any]:
    """The report of an attack on a service in another process; fails with the file that ended it."""
    context = mp.get_context("spawn")
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(target=attack, args=(index, secret, num_mutants, theirs))
    process.start()
    theirs.close()
    last = "start"
    try:
        while True:
            assert mine.poll(PATIENCE_S), f"no answer in {PATIENCE_S} s: {last}"
            message = mine.recv()
            if message.startswith('{"answers"'):
                found: dict[str, Any] = json.loads(message)
                return found
            last = message
    except EOFError:
        process.join()
        pytest.fail(f"the service ended with {process.exitcode}: {last}")
    finally:
        process.kill()
        process.join()


@pytest.mark.slow
@pytest.mark.parametrize("num", [IN_TESTS, pytest.param(IN_CAMPAIGN, marks=pytest.mark.campaign)])
def test_hostile_uploads_are_refused(num: int, index_url: str, tmp_path: Path) -> None:
    secret = recording(tmp_path / "secret.wav")
    found = result_of(index_url, secret, num)
    answers = found["answers"]
    wrong = [one for one in answers if not (400 <= one["status"] < 500 or may_play(one))]
    assert not wrong, wrong
    refused = [one for one in answers if one["status"] != 200]
    assert len(refused) > num / 4
    for one in refused:
        detail = json.loads(one["body"])["detail"]
        assert detail, one
        assert tempfile.gettempdir() not in detail, detail
        assert secret not in detail, detail
    assert found["grown_bytes"] < MOST_BYTES
    assert not [name for name in os.listdir(tempfile.gettempdir()) if name.startswith("deglu-question-")]


def may_play(answer: dict[str, Any]) -> bool:
    """Damaged sound, some of which is left, is a question like any other."""
    return answer["status"] == 200 and answer["damage"] in PLAYABLE
