"""A service over an index whose answers are known, with a tone for each recording."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from fastapi.testclient import TestClient

from embed.encoder import Batch, Fingerprints, FloatArray, Role
from embed.errors import InputError
from embed.identity import digest
from index.ask.searcher import Index, open_index
from index.serve.access import Tokens
from index.serve.app import make_app
from index.serve.gathering import Gatherer
from index.serve.holdings import Holdings
from index.serve.recordings import Recordings, Sound, Stretch
from index.serve.service import Service
from index.serve.settings import Settings
from tests.index.conftest import SPACE

WORDS = ("hash", "star", "zero", "nine")
SECRET, STAFF = "a-token-of-nobody-else", "the-token-of-the-staff"


class WordEncoder:
    """Each word is an axis, anything else the first; a wave speaks the word of its length.  An `Encoder`."""

    dims, longest_s = (4, 2), 30.0

    def __init__(self) -> None:
        self.fingerprints = Fingerprints(SPACE, "words-and-waves")
        self.batches: list[int] = []

    def encode(self, batch: Batch, role: Role, task: str | None = None) -> FloatArray:
        self.batches.append(len(batch))
        places = [WORDS.index(one) if one in WORDS else 0 for one in batch if isinstance(one, str)]
        return np.eye(4, dtype=np.float32)[places or [len(one) - 1 for one in batch]]


class Waves:
    """Sounds whose bytes say what was asked; `index.serve.recordings.Sounds`."""

    def clip(self, stretch: Stretch, kind: Sound) -> bytes:
        return f"{kind} {stretch.url} {stretch.start_s:g} {stretch.end_s:g}".encode()

    def peaks(self, stretch: Stretch, count: int) -> Sequence[float]:
        return [0.5] * count

    def question(self, data: bytes) -> FloatArray:
        if data not in [word.encode() for word in WORDS]:
            raise InputError("audio: no reader knows this format")
        return np.zeros(WORDS.index(data.decode()) + 1, np.float32)


class Listed(Recordings):
    """Recordings of a dataset that lists all but the last."""

    def _listed(self) -> dict[bytes, tuple[str, str, tuple[int, ...] | None]]:
        return {digest(f"speech/{i}"): (f"/radio/{i}.wav", "size:1;mtime:0", None) for i in range(3)}


MakeClient = Callable[..., TestClient]


@pytest.fixture
def index_url(tmp_path: Path, vectors_of: Any, build_at: Any) -> str:
    """Row i of each modality is axis i; row 3 of both is of the group `staff`."""
    vectors = vectors_of(speech=np.eye(4), text=np.eye(4), dims=(4, 2))
    table = vectors.table
    numbers = [dict(row)["number"] for row in table["metadata"].to_pylist()]
    added = [("access", "staff") if number == "3" else ("title", f"programme {number}") for number in numbers]
    metadata = [[("number", number), one] for number, one in zip(numbers, added, strict=True)]
    place = table.schema.get_field_index("metadata")
    table = table.set_column(place, table.schema.field(place), pa.array(metadata, table.schema.field(place).type))
    build_at(str(tmp_path / "radio"), type(vectors)(table, (4, 2), SPACE, 300))
    return str(tmp_path / "radio")


@pytest.fixture
def client_of(index_url: str, monkeypatch: pytest.MonkeyPatch) -> MakeClient:
    """`client_of(tokens={...}, settings=..., sounds=...)`: a client of the service."""
    monkeypatch.setattr("index.serve.holdings.Recordings", Listed)

    def make(
        tokens: str | None = None, settings: Settings | None = None, sounds: Any = Waves, opened: Any = None
    ) -> TestClient:
        settings = settings or Settings()
        sound = sounds() if sounds else None

        def newest(url: str) -> Index:
            return open_index(url, SPACE)

        holdings = Holdings([index_url], opened or newest, sound)
        gatherer = Gatherer(WordEncoder(), settings.most_waiting)
        service = Service("words", holdings, gatherer, sound, settings, Tokens.parse(tokens))
        return TestClient(make_app(service, ("testserver",)), raise_server_exceptions=False)

    return make
