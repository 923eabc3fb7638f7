"""A worker's own guards; its work is in test_embed_archive."""

import subprocess
import sys

import pytest

HANG = """
import time
from jobs.embedding.encode_worker import time_limit
with time_limit(60):
    pass
with time_limit(0.2):
    time.sleep(60)
"""


@pytest.mark.slow
def test_a_worker_that_hangs_ends_itself_and_says_where() -> None:
    done = subprocess.run([sys.executable, "-c", HANG], capture_output=True, text=True, timeout=50)
    assert done.returncode == 1
    assert "Timeout" in done.stderr
    assert 'File "<string>", line 7' in done.stderr
