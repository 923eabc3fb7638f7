import datetime
from decimal import Decimal
from typing import Any

import pytest

from embed.errors import InputError
from embed.text.documents import Columns, Document, plain_fields


def test_a_record_of_a_retrieval_corpus() -> None:
    record = {"_id": "d1", "title": "Dakar ", "text": "Une ville.", "lang": "fr", "year": 1857, "tags": ["x"], "e": ""}
    assert Columns().document(record, 7, "byte 7") == Document(
        "Une ville.", "Dakar", "d1", "fr", {"title": "Dakar ", "year": "1857"}, 7
    )


@pytest.mark.parametrize(
    ("record", "item"),
    [
        ({"_id": "a", "id": "b"}, "a"),
        ({"id": 2}, "2"),
        ({"_id": None, "id": "b"}, "b"),
        ({}, "row 3"),
        ({"id": ""}, "row 3"),
    ],
    ids=["_id first", "id", "null", "none", "empty"],
)
def test_the_id_or_the_place_in_its_place(record: dict[str, Any], item: str) -> None:
    assert Columns().document({"text": "x", **record}, 3, "row 3").item == item


def test_columns_name_fields_also_inside_of_others() -> None:
    columns = Columns({"id": "key", "text": "doc.body", "lang": "l"})
    record = {"key": "k", "doc": {"body": "Nit."}, "l": "wo", "text": "not this", "_id": "nor this"}
    assert columns.document(record, 0, "row 0") == Document(
        "Nit.", "", "k", "wo", {"text": "not this", "_id": "nor this"}, 0
    )
    with pytest.raises(ValueError, match="no key"):
        columns.document({"doc": {"body": "x"}}, 0, "row 0")


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"_id": "a"}, "no field 'text'"),
        ({"text": " ", "title": " "}, "no text"),
        ({"text": 5}, "holds int"),
        ({"text": b"\xff"}, "utf-8"),
        ({"text": "a\ud800"}, "half a character"),
        ({"text": "a", "more": "\ud800"}, "half a character"),
        ({"text": "a", "id": ["x"]}, "the id is list"),
    ],
)
def test_what_is_no_document_says_why(record: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Columns().document(record, 0, "row 0")


def test_a_title_alone_is_a_document() -> None:
    found = Columns().document({"title": "Only a title", "text": ""}, 0, "row 0")
    assert (found.text, found.title) == ("", "Only a title")


def test_plain_values_become_metadata() -> None:
    day = datetime.date(2026, 11, 22)
    record = {"b": True, "i": 1, "f": 1.5, "d": Decimal("2.50"), "day": day, "n": None, "l": [1], "raw": b"x", "no": 1}
    assert plain_fields(record, ["no"]) == {"b": "true", "i": "1", "f": "1.5", "d": "2.50", "day": "2026-11-22"}


def test_absent_columns_are_told_with_what_there_is() -> None:
    Columns().refuse_absent("a.csv", ["text"])
    Columns({"text": "doc"}).refuse_absent("a.parquet", ["doc.body"])
    with pytest.raises(
        InputError, match=r"a.csv: no column 'text' for text; the columns are 'body', 'n'; .*columns: \{text"
    ):
        Columns().refuse_absent("a.csv", ["body", "n"])
    with pytest.raises(InputError, match="no column 'name' for title"):
        Columns({"title": "name"}).refuse_absent("a.csv", ["text"])
    Columns({"title": "name"}).refuse_absent("a.jsonl", ["text"], optional=("title", "lang"))
