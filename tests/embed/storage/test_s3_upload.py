from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed.storage import store
from embed.storage.retry import Patience
from embed.storage.s3 import S3Files, place
from tests.fault_proxy import Asked, Fault, FaultProxy

pytestmark = pytest.mark.s3

SIZE = 40_000_000  # three parts


def large(folder: Path) -> Path:
    (folder / "large").write_bytes(np.random.default_rng(0).bytes(SIZE))
    return folder / "large"


def unfinished(url: str) -> list[Any]:
    bucket, key = place(url)
    answer = S3Files()._fs.call_s3("list_multipart_uploads", Bucket=bucket)
    return [one for one in answer.get("Uploads", []) if one["Key"] == key]


def test_a_large_file_comes_back_whole_over_a_bad_network(faulty_s3: FaultProxy, s3_url: str, tmp_path: Path) -> None:
    def deal(asked: Asked) -> Fault | None:
        """Every part is cut once; the answer that all is complete is lost."""
        if "partNumber=" in asked.path and asked.time == 0:
            return Fault.CUT_REQUEST
        return Fault.LOST_ANSWER if asked.method == "POST" and "uploadId=" in asked.path and asked.time == 0 else None

    faulty_s3.deal = deal
    url = store.join(s3_url, "large")
    store.move_in(large(tmp_path), url)
    assert store.local_copy(url, tmp_path / "..").read_bytes() == (tmp_path / "large").read_bytes()
    assert (faulty_s3.dealt[Fault.CUT_REQUEST], faulty_s3.dealt[Fault.LOST_ANSWER]) == (3, 1)
    assert unfinished(url) == []


def test_no_half_upload_stays_behind(faulty_s3: FaultProxy, s3_url: str, tmp_path: Path) -> None:
    faulty_s3.deal = lambda asked: Fault.CUT_REQUEST if "partNumber=2" in asked.path else None
    url = store.join(s3_url, "never")
    with pytest.raises(Exception, match=r"(?i)connect|closed"):
        S3Files(Patience(total_s=0)).move_in(large(tmp_path), url)
    assert faulty_s3.dealt[Fault.CUT_REQUEST]
    assert unfinished(url) == []
    assert not store.exists(url)
