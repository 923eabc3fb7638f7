"""OpenSearch: bodies of bulk requests, and the mapping of the index."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

from embed.exports.files import DATA, Files
from embed.exports.targets import Rows
from embed.exports.texts import as_texts

# A request is refused above 100 MB: 5,000 rows of 1,024 numbers with their texts are about 65.
PIECE_ROWS = 5_000


def opensearch(folder: str, dim: int) -> Files:
    """Newline-delimited JSON, an action line and a document for each row; the id is the segment's.

    Source: OpenSearch documentation, "Bulk API" and "k-NN vector".
    """
    return Files(folder, _Bulk(dim, PIECE_ROWS))


@dataclass(frozen=True)
class _Bulk:
    dim: int
    piece_rows: int | None
    suffixes: Sequence[str] = (".ndjson",)

    def write(self, paths: Sequence[Path], rows: Rows) -> None:
        with paths[0].open("w", encoding="utf-8", newline="\n") as file:
            for batch in rows:
                documents = batch.drop_columns(["vector"]).to_pylist()
                for document, vector in zip(documents, as_texts(batch["vector"]), strict=True):
                    file.write(_lines(document, vector))

    def extras(self, files: Sequence[str]) -> dict[str, str]:
        return {"mapping.json": json.dumps(_mapping(self.dim), indent=1)}

    def advice(self, folder: str) -> list[str]:
        to = "$OPENSEARCH/vectors"
        return [
            f'create     curl -X PUT "{to}" -H "Content-Type: application/json" -d @{quote(folder)}/mapping.json',
            f"load       for f in {quote(folder)}/{DATA}/*.ndjson; do curl -X POST "
            f'"{to}/_bulk" -H "Content-Type: application/x-ndjson" --data-binary "@$f"; done',
        ]


def _lines(document: dict[str, Any], vector: str) -> str:
    key = document.pop("id")
    metadata = document.pop("metadata")
    present = {name: value for name, value in document.items() if value is not None}
    if metadata is not None:
        present["metadata"] = json.loads(metadata)
    body = json.dumps(present, ensure_ascii=False)
    return f'{{"index": {{"_id": "{key}"}}}}\n{body[:-1]}, "vector": {vector}}}\n'


def _mapping(dim: int) -> dict[str, Any]:
    keywords = {name: {"type": "keyword"} for name in ("asset_id", "uri", "modality", "lang", "item")}
    numbers = {name: {"type": "double"} for name in ("start_s", "end_s")}
    places = {name: {"type": "long"} for name in ("start", "end")}
    vector = {
        "type": "knn_vector",
        "dimension": dim,
        "method": {"name": "hnsw", "engine": "lucene", "space_type": "cosinesimil"},
    }
    texts = {"text": {"type": "text"}, "metadata": {"type": "flat_object"}}
    fields = {**keywords, **numbers, **places, **texts, "vector": vector}
    return {"settings": {"index": {"knn": True}}, "mappings": {"properties": fields}}
