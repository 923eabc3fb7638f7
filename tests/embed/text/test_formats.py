"""All formats of text through one door: units of any size, here and on S3, give the same documents."""

import csv
import gzip
import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embed.errors import InputError
from embed.file_kinds import format_of
from embed.storage import store
from embed.text.documents import Document
from embed.text.formats import probe_text, read_documents

RECORDS = [
    {"_id": f"d{n}", "title": "Titre", "text": f"Passage {n}, à lire. " * (n % 9), "lang": "fr"} for n in range(1, 40)
]


def as_jsonl() -> bytes:
    return "".join(json.dumps(one) + "\n" for one in RECORDS).encode()


def as_csv() -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(RECORDS[0]))
    writer.writeheader()
    writer.writerows(RECORDS)
    return text.getvalue().encode()


def as_parquet() -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(RECORDS), file, row_group_size=10)
    return file.getvalue()


FILES = {
    "a.txt": lambda: "\n\n".join(one["text"] for one in RECORDS if one["text"]).encode(),
    "a.jsonl": as_jsonl,
    "a.ndjson.gz": lambda: gzip.compress(as_jsonl()),
    "a.csv": as_csv,
    "a.csv.gz": lambda: gzip.compress(as_csv()),
    "a.parquet": as_parquet,
}


def unit(url: str, start: int, end: int | None, version: str = "v") -> dict[str, Any]:
    form = format_of(url, "text")
    return {"url": url, "content_version": version, "format": form, "start": start, "end": end, "columns": None}


@pytest.mark.parametrize("name", FILES)
def test_units_of_any_size_here_and_on_s3(name: str, storage_url: str) -> None:
    url = store.join(storage_url, name)
    content = FILES[name]()
    store.write_bytes(url, content)
    length = probe_text(url, "v", format_of(url, "text"), {})[0] or len(content)
    whole = list(read_documents(unit(url, 0, None)))
    for size in (length // 7, length // 2):
        edges = list(range(0, length, size))
        parts = [one for at in edges for one in read_documents(unit(url, at, at + size if at != edges[-1] else None))]
        assert parts == whole
    documents = [one for one in whole if isinstance(one, Document)]
    if name != "a.txt":
        assert [one.item for one in documents] == [one["_id"] for one in RECORDS]
        assert {(one.title, one.lang) for one in documents} == {("Titre", "fr")}
    assert [one.text.strip() for one in documents if one.text] == [
        one["text"].strip() for one in RECORDS if one["text"]
    ]


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.parquet"])
def test_a_wrong_mapping_fails_the_asset_and_its_unit(name: str, tmp_path: Any) -> None:
    url = str(tmp_path / name)
    store.write_bytes(url, FILES[name]())
    with pytest.raises(InputError, match="no column 'body' for text; the columns are '_id', 'title', 'text', 'lang'"):
        probe_text(url, "v", format_of(url, "text"), {"text": "body"})
    with pytest.raises(InputError, match="no column 'body'"):
        list(read_documents({**unit(url, 0, None), "columns": [("text", "body")]}))
