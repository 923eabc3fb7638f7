"""Benchmarks made of manifests: recordings and texts of one row answer each other."""

from pathlib import Path

import pytest

from embed.errors import InputError
from evaluate.benchmarks.manifest import read_manifest

HEAD = "audio_filepath,text,lang,translation_en,key,part\n"


def manifest(folder: Path, *rows: str) -> str:
    path = folder / "radio.csv"
    path.write_text(HEAD + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    for name in "abc":
        (folder / f"{name}.wav").touch()
    return str(path)


def test_recordings_ask_texts_and_texts_ask_recordings(tmp_path: Path) -> None:
    url = manifest(tmp_path, "a.wav,un,fr,one,,", "b.wav,deux,fr,two,,", "c.wav,Un!,fr,one,,")
    found = read_manifest(url)
    assert found.name == "radio"
    spoken = found.chosen("test", "speech", "text", "fr", "en")
    assert [one.text for one in spoken.documents] == ["one", "two"]
    assert spoken.answers == [{0}, {1}, {0}]
    typed = found.chosen("dev", "text", "speech", "en", "fr")
    assert ([one.text for one in typed.queries], typed.answers) == (["one", "two"], [{0, 2}, {1}])
    texts = found.chosen("test", "text", "text", "en", "fr")
    assert [one.text for one in texts.documents] == ["un", "deux"]
    assert texts.answers == [{0}, {1}]


def test_parts_that_rows_name_and_keys_that_they_share(tmp_path: Path) -> None:
    url = manifest(tmp_path, "a.wav,un,fr,one,1,test", "b.wav,uno,es,one,1,train", "c.wav,deux,fr,two,2,train")
    found = read_manifest(url)
    chosen = found.chosen("test", "speech", "text", None, "en")
    assert [one.id for one in chosen.queries] == ["row-1"]
    assert [one.text for one in chosen.documents] == ["one", "two"]  # the whole collection
    same = found.chosen("test", "speech", "speech")
    assert [one.lang for one in same.documents] == ["fr", "es", "fr"]
    assert (same.answers, same.excluded) == ([{1}], [[0]])
    with pytest.raises(InputError, match="no part dev; it has: test, train"):
        found.chosen("dev", "speech", "text")


def test_a_recording_that_is_missing_is_named_by_its_row(tmp_path: Path) -> None:
    url = manifest(tmp_path, "a.wav,un,fr,one,,", "gone.wav,deux,fr,two,,")
    with pytest.raises(InputError, match=r"radio.csv, row 2: .*gone.wav: no such recording"):
        read_manifest(url).chosen("test", "speech", "text")
