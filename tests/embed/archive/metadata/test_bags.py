import hashlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from embed.archive.metadata.bags import Bag, bags_of, check_checksum, folder_of, read_bag
from embed.errors import DescriptionError


def write_bag(folder: Path, files: Mapping[str, bytes], info: str = "", algorithm: str = "sha256") -> Path:
    """A bag as RFC 8493 has it, its payload included."""
    for name, content in files.items():
        path = folder / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (folder / "bagit.txt").write_text("BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")
    (folder / "bag-info.txt").write_text(info)
    lines = (f"{hashlib.new(algorithm, content).hexdigest()}  data/{name}\n" for name, content in files.items())
    (folder / f"manifest-{algorithm}.txt").write_text("".join(lines))
    (folder / f"tagmanifest-{algorithm}.txt").touch()
    return folder


def bag_in(folder: Path) -> Bag:
    return read_bag(f"{folder}/", [str(path) for path in folder.rglob("*") if path.is_file()])


def test_a_bag_has_checksums_and_fields(tmp_path: Path) -> None:
    info = (
        "Source-Organization: RTS\nExternal-Description: Evening\n  news\nBagging-Date: 2020-01-01\nPayload-Oxum: 1.1\n"
        "Contact-Email: a@b.c\nDC-Title: Journal\nDate: 1999\nKeyword: rice\nKeyword: millet\n\nno colon\n"
    )
    bag = bag_in(write_bag(tmp_path, {"a.wav": b"a", "x/b 1.wav": b"b"}, info))
    assert bag.fields == {
        "Source-Organization": "RTS", "description": "Evening news", "title": "Journal", "date": "1999",
        "Keyword": "rice; millet",
    }  # fmt: skip
    assert bag.missing == {}
    for name in ("a.wav", "x/b 1.wav"):
        url = f"{tmp_path}/data/{name}"
        check_checksum(url, "v", bag.checksum(url))
    with pytest.raises(DescriptionError, match=r"a.wav: its sha256 is ca97.*, the bag's manifest states 00"):
        check_checksum(f"{tmp_path}/data/a.wav", "v", "sha256:00")


def test_the_strongest_manifest_counts_in_any_spelling(tmp_path: Path) -> None:
    write_bag(tmp_path, {"a.wav": b"a", "50%\n.wav": b"b", "e\u0301.wav": b"c"}, algorithm="md5")
    manifest = tmp_path / "manifest-md5.txt"
    lines = manifest.read_text().replace("50%\n", "50%25%0A").replace("e\u0301", "\u00e9").splitlines()
    manifest.write_text("\n".join(f"{one[:32].upper()} *./{one[34:]}" for one in lines))
    bag = bag_in(tmp_path)
    assert set(bag.checksums) == {f"{tmp_path}/data/{name}" for name in ("a.wav", "50%\n.wav", "e\u0301.wav")}
    assert bag.checksums[f"{tmp_path}/data/a.wav"] == f"md5:{hashlib.md5(b'a').hexdigest()}"
    (tmp_path / "manifest-sha512.txt").write_text(f"{'0' * 128}  data/a.wav\n")
    (tmp_path / "manifest-rot13.txt").write_text("")
    assert bag_in(tmp_path).checksums == {f"{tmp_path}/data/a.wav": f"sha512:{'0' * 128}"}


def test_a_bag_that_is_not_whole(tmp_path: Path) -> None:
    write_bag(tmp_path, {"a.wav": b"a", "gone.wav": b"b", "far.wav": b"c"})
    for name in ("gone", "far"):
        (tmp_path / f"data/{name}.wav").unlink()
    (tmp_path / "data/new.wav").write_bytes(b"d")
    (tmp_path / "fetch.txt").write_text("http://example.org/far.wav - data/far.wav\n")
    bag = bag_in(tmp_path)
    problems = {url.rpartition("/")[2]: text for url, text in bag.missing.items()}
    assert set(problems) == {"gone.wav", "far.wav"}
    assert problems["gone.wav"].endswith("names it; restore it, or correct the manifest")
    assert problems["far.wav"].endswith("fetch.txt has its address: fetch it")
    with pytest.raises(DescriptionError, match=r"new.wav: not in .*manifest-sha256.txt"):
        bag.checksum(f"{tmp_path}/data/new.wav")
    (tmp_path / "manifest-sha256.txt").write_text("no checksum\n")
    with pytest.raises(DescriptionError, match="line 1 is not"):
        bag_in(tmp_path)
    (tmp_path / "manifest-sha256.txt").unlink()
    with pytest.raises(DescriptionError, match="has no manifest with a known checksum"):
        bag_in(tmp_path).checksum(f"{tmp_path}/data/a.wav")


def test_a_bag_in_a_bag_is_its_payload() -> None:
    urls = ["/r/a.wav", "/r/1/bagit.txt", "/r/1/data/a.wav", "/r/1/data/2/bagit.txt", "/r/3/bagit.txt", "/r/3/x"]
    bags = bags_of(urls)
    assert bags == {"/r/1/": urls[1:4], "/r/3/": urls[4:]}
    assert [folder_of(url, bags) for url in urls] == [None, "/r/1/", "/r/1/", "/r/1/", "/r/3/", "/r/3/"]
    assert bags_of(["/r/a.wav", "/r/nobagit.txt"]) == {}
