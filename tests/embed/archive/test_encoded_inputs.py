"""Texts of other encodings through the real path: one failure for a file, and its cure, for each format."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from embed.archive.inputs import InputSpec
from embed.archive.manifest import list_assets
from embed.segmentation.cut import cut
from embed.segmentation.passages import PassageSpec
from embed.segmentation.rules import Cutting
from embed.segmentation.spans import SegmentSpec
from embed.segmentation.units import plan_units
from tests.embed.sounds import LETTERS

FRENCH = [
    "Le marché a rouvert après l’été.",
    "Un orage a coupé l’électricité.",
    "A plain paragraph.",
    "La bibliothèque.",
]
RUSSIAN = ["Сегодня в Москве открылся новый музей.", "Билеты можно купить в кассе или на сайте.", "Plain."]
JAPANESE = ["今日は天気がとても良いので、公園を散歩しました。", "桜の花が咲いていて、とても綺麗でした。"]
CHINESE = ["今天天气很好，我们去公园散步。", "花开得非常漂亮，孩子们玩得很高兴。"]


def as_txt(texts: list[str]) -> str:
    return "\r\n\r\n".join(texts)


def as_csv(texts: list[str]) -> str:
    return "".join(["id;text\n", *(f'{number};"{text}"\n' for number, text in enumerate(texts))])


def as_jsonl(texts: list[str]) -> str:
    return "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts)


def as_srt(texts: list[str]) -> str:
    return "\r\n\r\n".join(
        f"{number}\r\n00:00:0{number},000 --> 00:00:0{number},900\r\n{text}" for number, text in enumerate(texts, 1)
    )


CASES = {
    "a.txt": (as_txt, FRENCH, "cp1252"),
    "a.md": (as_txt, FRENCH, "cp1252"),
    "b.csv": (as_csv, FRENCH, "cp1252"),
    "b.csv.gz": (as_csv, FRENCH, "cp1252"),
    "c.jsonl": (as_jsonl, FRENCH, "cp1252"),
    "d.txt": (as_txt, [FRENCH[2]], "utf-16-le"),
    "e.csv": (as_csv, RUSSIAN, "cp1251"),
    "f.jsonl": (as_jsonl, JAPANESE, "cp932"),
    "g.txt": (as_txt, CHINESE, "gb18030"),
    "h.txt": (as_txt, RUSSIAN, "utf-32-be"),
    "i.srt": (as_srt, FRENCH, "cp1252"),
    "j.jsonl.gz": (as_jsonl, RUSSIAN, "utf-16-be"),
}


def rows_of(folder: Path, **about: Any) -> list[dict[str, Any]]:
    cutting = Cutting(SegmentSpec(), PassageSpec(), LETTERS.digest)
    assets = list_assets([InputSpec.parse({"url": str(folder), "name": "in", **about})])
    found: list[dict[str, Any]] = cut(plan_units(assets, cutting), cutting, LETTERS).to_pylist()
    return found


def by_uri(rows: list[dict[str, Any]], what: str) -> dict[str, list[dict[str, Any]]]:
    return {row["uri"]: row[what] for row in rows if row[what]}


@pytest.mark.parametrize("name", CASES)
def test_one_failure_for_the_file_and_its_cure(tmp_path: Path, name: str) -> None:
    write, texts, encoding = CASES[name]
    data = write(texts).encode(encoding)
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    (tmp_path / "utf8.txt").write_text("Déjà en UTF-8.", encoding="utf-8")
    before = rows_of(tmp_path)
    ((uri, (failure,)),) = by_uri(before, "failures").items()
    assert uri == f"in/{name}"
    assert str(tmp_path / name) in failure["message"]
    assert f"set `encoding: {encoding}` for its input" in failure["message"]
    after = rows_of(tmp_path, encoding=encoding)
    assert not by_uri(after, "failures")
    assert [one["text"] for one in by_uri(after, "segments")[uri]] == texts
    assert by_uri(after, "segments")["in/utf8.txt"] == by_uri(before, "segments")["in/utf8.txt"]
    ids = [{row["uri"]: row["unit_id"] for row in rows} for rows in (before, after)]
    assert {uri for uri, unit in ids[1].items() if unit != ids[0][uri]} == {f"in/{name}"}


def test_units_of_any_size_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(as_txt(FRENCH * 50).encode("cp1252"))
    (tmp_path / "b.jsonl").write_bytes(as_jsonl(FRENCH * 50).encode("cp1252"))
    (tmp_path / "c.csv").write_bytes(as_csv(FRENCH * 50).encode("cp1252"))
    found = []
    for passage in (PassageSpec(), PassageSpec(unit_bytes=500, unit_rows=7)):
        cutting = Cutting(SegmentSpec(), passage, LETTERS.digest)
        assets = list_assets([InputSpec(url=str(tmp_path), name="in", encoding="cp1252")])
        rows = cut(plan_units(assets, cutting), cutting, LETTERS).to_pylist()
        assert not by_uri(rows, "failures")
        found.append([one for row in rows for one in row["segments"]])
    assert found[0] == found[1]
    assert len(found[0]) == 600


def test_what_is_known_is_probed_again_with_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(as_txt(FRENCH).encode("cp1252"))
    (tmp_path / "b.txt").write_text("Déjà en UTF-8.", encoding="utf-8")
    spec = InputSpec(url=str(tmp_path), name="in")
    known = list_assets([spec])
    cured = list_assets([spec.model_copy(update={"encoding": "cp1252"})], known)
    assert [row["problem"] is None for row in known.to_pylist()] == [False, True]
    assert cured["problem"].to_pylist() == [None, None]
    assert cured["columns"].to_pylist() == [[("encoding", "cp1252")], None]
    assert cured["items"].to_pylist() == [len(as_txt(FRENCH).encode()), None]
    assert list_assets([spec.model_copy(update={"encoding": "cp1252"})], cured).equals(cured)


def test_damage_that_is_no_encoding_is_one_failure_and_the_rest_is_kept(tmp_path: Path) -> None:
    bad = "été".encode("cp1252")
    (tmp_path / "a.txt").write_bytes("\n\n".join(FRENCH).encode() + b"\n\n" + bad + b"\n\n" + bad + b"\n\nFin.")
    (row,) = rows_of(tmp_path)
    assert [one["text"] for one in row["segments"]] == [*FRENCH, "Fin."]
    (failure,) = row["failures"]
    assert "paragraph at byte 117: not UTF-8, and 1 more; correct it, or set the `encoding`" in failure["message"]
    assert (failure["start"], failure["end"]) == (117, 127)


def test_what_is_no_text_is_one_failure(tmp_path: Path) -> None:
    (tmp_path / "zeros.txt").write_bytes(bytes(1_500_000))
    (tmp_path / "program.txt").write_bytes(b"\x7fELF" + bytes(range(256)) * 8)
    (tmp_path / "lines.jsonl").write_bytes(bytes(range(256)) * 8)
    (tmp_path / "array.jsonl").write_text(json.dumps([{"_id": "1", "text": "a whole array"}], indent=1))
    (tmp_path / "pretty.ndjson").write_text(json.dumps({"_id": "1", "text": "one"}, indent=1) * 3)
    for encoding in (None, "cp1252"):
        failures = by_uri(rows_of(tmp_path, encoding=encoding), "failures")
        assert {uri.partition("/")[2]: len(some) for uri, some in failures.items()} == dict.fromkeys(
            ["array.jsonl", "lines.jsonl", "pretty.ndjson", "program.txt", "zeros.txt"], 1
        )
        assert "binary, not a text" in failures["in/zeros.txt"][0]["message"]
        assert "jq -c '.[]'" in failures["in/array.jsonl"][0]["message"]
        assert "jq -c ." in failures["in/pretty.ndjson"][0]["message"]


def test_lines_that_nobody_sees_are_no_rows(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("\u200b\n\n\u2060\u200d\n\n\u00ad\ufeff\0\n\nWords\u200b.\n".encode())
    (tmp_path / "b.csv").write_bytes("text\n\u200b\nWords\u200b.\n".encode())
    rows = rows_of(tmp_path)
    assert {uri: [one["text"] for one in some] for uri, some in by_uri(rows, "segments").items()} == {
        "in/a.txt": ["Words\u200b."],
        "in/b.csv": ["Words\u200b."],
    }
    assert [one["message"].rpartition(": ")[2] for one in by_uri(rows, "failures")["in/b.csv"]] == ["no text"]


def test_a_side_file_and_a_list_of_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_bytes("file_name,speaker\na.txt,Aïssatou Bâ\nb.txt,Noël Né\n".encode("cp1252"))
    (tmp_path / "a.txt").write_text("Un.")
    (tmp_path / "b.txt").write_text("Deux.")
    ((uri, (failure,)),) = by_uri(rows_of(tmp_path), "failures").items()
    assert uri == "in/metadata.csv"
    assert "not UTF-8; it looks like" in failure["message"]
    rows = rows_of(tmp_path, encoding="cp1252")
    assert not by_uri(rows, "failures")
    assert [dict(row["metadata"]) for row in rows] == [{"speaker": "Aïssatou Bâ"}, {"speaker": "Noël Né"}]
