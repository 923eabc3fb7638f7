from pathlib import Path

import pyarrow as pa
import pytest

from embed.dataset.folded_since import log_end
from embed.dataset.publish import publish
from embed.dataset.runs import begin_run
from embed.segmentation.passages import PassageSpec
from embed.segmentation.rules import Cutting
from embed.segmentation.spans import SegmentSpec
from embed.spec import EmbedSpec
from embed.tables import UNITS
from jobs.command.progress import Silent
from jobs.embedding.encode_worker import WorkOrder
from jobs.embedding.run_units import Folder, _Loop
from jobs.embedding.watch import FailureLimit, Watch
from tests.embed.vectors import begin, commit, commit_failed, manifest, unit_of


@pytest.mark.parametrize("is_retry", [True, False])
def test_what_a_retry_plans_again_is_left_though_the_ledger_has_it(tmp_path: Path, is_retry: bool) -> None:
    job = begin(str(tmp_path))
    commit_failed(job, "a", "no sound")
    commit_failed(job, "b", "no sound")
    publish(job, manifest("a", "b"))
    rows = [{"unit_id": unit_of(name), "asset_id": unit_of(name), "uri": name, "start": 0} for name in "ab"]
    todo = pa.Table.from_pylist(rows, schema=UNITS)
    planned = None if is_retry else log_end(job)
    cutting = Cutting(SegmentSpec(), PassageSpec(), "words")
    order = WorkOrder(job, "demo", cutting, "float32", False, False, 9.0, planned)
    watch = Watch(job.url, begin_run(1), Silent())
    spec = EmbedSpec.parse({"inputs": [{"url": "in"}], "output": job.url})
    loop = _Loop(spec, order, watch, FailureLimit(todo, 2, 1.0), Folder(job))

    def left() -> list[str]:
        return [str(uri) for uri in loop.left(todo)["uri"].to_pylist()]

    assert left() == (["a", "b"] if is_retry else [])
    commit(job, "a", "one")
    assert left() == (["b"] if is_retry else [])
    loop.observed.add(unit_of("b"))  # committed, and folded since
    assert left() == []
