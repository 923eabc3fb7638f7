"""The small archive, embedded once for all tests of embedding."""

import pytest

from jobs.embedding.embed_archive import embed_archive
from tests.jobs.embedding.light_worker import LightEncodeWorker, take
from tests.jobs.embedding.small_archive import Embedded, spec_of, write_bad, write_good


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory, tiny_model: str, ray_session: None) -> Embedded:
    """The folder of the hard cases, embedded by one worker."""
    root = tmp_path_factory.mktemp("embedded")
    folder, output = root / "archive", root / "vectors"
    folder.mkdir()
    write_good(folder)
    write_bad(folder)
    return Embedded(folder, output, embed_archive(spec_of(folder, output, tiny_model)))


@pytest.fixture
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers without torch, where no vector is looked at."""
    take(LightEncodeWorker, monkeypatch)


@pytest.fixture(scope="module")
def lightly(embedded: Embedded, tmp_path_factory: pytest.TempPathFactory, tiny_model: str) -> Embedded:
    """The same folder, embedded by a worker without torch."""
    output = tmp_path_factory.mktemp("lightly") / "vectors"
    with pytest.MonkeyPatch.context() as patch:
        take(LightEncodeWorker, patch)
        return Embedded(embedded.folder, output, embed_archive(spec_of(embedded.folder, output, tiny_model)))
