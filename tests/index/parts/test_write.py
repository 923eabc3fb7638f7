"""Parts: named by their content, stored whole."""

from pathlib import Path

from embed.storage import store
from index.parts.artifact import part_url
from index.parts.write import part_of, store_part


def test_a_part_is_named_by_its_content_and_stored_whole(tmp_path: Path, storage_url: str) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "values.npy").write_bytes(b"some")
    entry = part_of("router-text", tmp_path / "one")
    assert entry == part_of("router-text", tmp_path / "two")
    assert entry.name.startswith("router-text-")
    assert entry.files["values.npy"].bytes == 4
    (tmp_path / "two" / "values.npy").write_bytes(b"other")
    assert part_of("router-text", tmp_path / "two").name != entry.name
    for _ in range(2):  # again mends
        store_part(storage_url, entry, tmp_path / "one")

    assert store.read_bytes(store.join(part_url(storage_url, entry.name), "values.npy")) == b"some"
    assert (tmp_path / "one" / "values.npy").read_bytes() == b"some"
