import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embed.errors import InputError
from embed.storage import store
from train.curate.clip import Clip
from train.curate.sources.manifest import clips

FIRST: dict[str, Any] = {"audio_filepath": "a/1.wav", "offset": 3.5, "duration": 2, "text": "Nanga def?", "lang": "wo"}
SECOND: dict[str, Any] = {"audio_filepath": "2.wav", "text": "Bonjour", "lang": "fr", "key": "hello", "part": "test"}


def write_lines(path: Path, *rows: Any) -> str:
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return str(path)


def test_lines_as_nemo_writes_them(tmp_path: Path) -> None:
    (tmp_path / "2.wav").write_bytes(b"12345")
    row = {**FIRST, "translations": {"fr": "Comment vas-tu ?", "en": ""}, "speaker": 7}
    found = clips(write_lines(tmp_path / "radio.v2.jsonl", row, SECOND))
    texts = {"fr": "Comment vas-tu ?", "wo": "Nanga def?"}
    uri, other = str(tmp_path / "a/1.wav"), str(tmp_path / "2.wav")
    assert found == [
        (Clip("radio", "radio:a/1.wav#3.5", "wo", "Nanga def?", uri, texts, 3.5, 2.0), None),
        (Clip("radio", "radio:hello", "fr", "Bonjour", other, {"fr": "Bonjour"}, size=5), "test"),
    ]
    assert clips(str(tmp_path / "radio.v2.jsonl"), ["fr"]) == found[1:]


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
def test_tables_say_the_same(tmp_path: Path, suffix: str) -> None:
    row = {**FIRST, "translations": {"fr": "Comment vas-tu, toi ?"}}
    wanted = clips(write_lines(tmp_path / "radio.jsonl", row, SECOND))
    names = ["audio_filepath", "offset", "duration", "text", "lang", "key", "part", "translation_fr"]
    rows = [{**FIRST, "translation_fr": "Comment vas-tu, toi ?"}, SECOND]
    path = tmp_path / f"radio.{suffix}"
    if suffix == "parquet":
        pq.write_table(pa.Table.from_pylist([{name: row.get(name) for name in names} for row in rows]), path)
    else:
        mark = "," if suffix == "csv" else "\t"
        lines = [mark.join(names), *(mark.join(f'"{row.get(name, "")}"' for name in names) for row in rows)]
        path.write_text("\n".join(lines), encoding="utf-8")
    assert clips(str(path)) == wanted


def test_lists_and_recordings_may_be_in_a_store(storage_url: str) -> None:
    url = store.join(storage_url, "radio.jsonl")
    store.write_bytes(url, json.dumps(FIRST).encode())
    assert clips(url)[0][0].uri == store.join(storage_url, "a/1.wav")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"audio_filepath": ""}, "audio_filepath is missing; give the path of the recording"),
        ({"audio_filepath": "https://x/1.wav"}, "'https://x/1.wav': neither a local path nor s3://"),
        ({"text": " … "}, "text is missing; give the transcript"),
        ({"text": ["a"]}, r"text is \['a'\]; give a text"),
        ({"lang": None}, "lang is missing; give the language"),
        ({"offset": -1}, "offset is -1; give seconds, 0 or more"),
        ({"duration": "long"}, "duration is 'long'; give seconds"),
        ({"duration": 0}, "duration is 0; give seconds, or omit it"),
        ({"translations": "Bonjour"}, "translations is 'Bonjour'; give texts by language"),
        ({"part": "valid"}, "part is 'valid'; give train, dev or test"),
    ],
)
def test_a_wrong_row_is_named_with_its_cure(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    url = write_lines(tmp_path / "radio.jsonl", FIRST, {**FIRST, **changed})
    with pytest.raises(InputError, match=rf"radio\.jsonl, line 2: {message}"):
        clips(url)


def test_a_broken_row_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(FIRST) + "\n{oh\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"a\.jsonl, line 2: .*; correct or remove this row"):
        clips(str(tmp_path / "a.jsonl"))
    (tmp_path / "a.csv").write_text("audio_filepath,text,lang\n1.wav,Oui, bien sûr,fr\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"a\.csv, row 1: 4 fields for 3 columns; is a quote missing\?; correct or"):
        clips(str(tmp_path / "a.csv"))


def test_a_list_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown kind of manifest; its name must end in \.jsonl, \.csv,"):
        clips(str(tmp_path / "a.txt"))
    with pytest.raises(InputError, match=r"gone\.jsonl"):
        clips(str(tmp_path / "gone.jsonl"))
