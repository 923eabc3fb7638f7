import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from embed.storage import scratch

HOLD = """
import sys
from embed.storage.scratch import scratch_file
with scratch_file() as path:
    path.write_bytes(b"half")
    print(path, flush=True)
    sys.stdin.readline()
"""


def start(place: Path) -> tuple["subprocess.Popen[str]", Path]:
    """A process that holds a scratch file until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD],
        env={**os.environ, "TMPDIR": str(place)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_a_scratch_file_goes_with_its_writer() -> None:
    with scratch.scratch_file() as one, scratch.scratch_file() as other:
        one.write_bytes(b"1")
        assert one != other
        assert one.parent == other.parent
        assert one.parent.name.startswith(f"deglu-{os.getpid()}-")
    assert not one.exists()


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deglu-of-somebody-else").mkdir()
    killed, left = start(tmp_path)
    living, held = start(tmp_path)
    with killed, living:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert left.exists()
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        monkeypatch.setattr(scratch, "_folders", {})
        with scratch.scratch_file() as mine:
            assert mine.parent.parent == tmp_path
            assert not left.parent.exists()
            assert held.read_bytes() == b"half"
        living.communicate("\n")
    assert living.returncode == 0
    assert not held.parent.exists()
    scratch._remove(mine.parent, os.getpid())
    assert [path.name for path in tmp_path.iterdir()] == ["deglu-of-somebody-else"]


def test_a_working_folder_is_removed_with_what_a_killed_process_left(tmp_path: Path) -> None:
    killed, left = start(tmp_path)
    with killed:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert left.exists()
    with scratch.working_folder(tmp_path) as one, scratch.working_folder(tmp_path) as other:
        assert not left.exists()
        assert one != other
        assert list(one.iterdir()) == []
        (one / "half").write_bytes(b"1")
    assert list(tmp_path.iterdir()) == []
