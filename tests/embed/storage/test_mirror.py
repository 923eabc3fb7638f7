"""A folder and its url hold the same files, wherever the url is."""

from pathlib import Path

import pytest

from embed.storage import store
from embed.storage.mirror import mirrored


def there(url: str) -> dict[str, str]:
    entries = store.listing(url)
    return {entry.url.removeprefix(url).strip("/"): store.read_bytes(entry.url).decode() for entry in entries}


def test_what_is_written_changed_or_removed_in_the_folder_is_so_at_the_url(storage_url: str) -> None:
    store.write_bytes(f"{storage_url}/of-others.txt", b"kept")
    with mirrored(storage_url) as mirror:
        (mirror.folder / "board").mkdir()
        (mirror.folder / "board" / "1").write_text("one")
        (mirror.folder / "rows.csv").write_text("a")
        mirror.push()
        assert there(storage_url) == {"of-others.txt": "kept", "board/1": "one", "rows.csv": "a"}
        (mirror.folder / "board" / "1").unlink()
        mirror.path(f"{storage_url}/seed-1").mkdir()
        (mirror.folder / "seed-1" / "rows.csv").write_text("b")
        (mirror.folder / "rows.csv").write_text("ab")
        mirror.push()
    assert there(storage_url) == {"of-others.txt": "kept", "seed-1/rows.csv": "b", "rows.csv": "ab"}


def test_another_machine_goes_on_with_what_it_fetches(storage_url: str) -> None:
    for name in ("rows.csv", "board/old", "weights", "encoder.json"):
        store.write_bytes(f"{storage_url}/{name}", name.encode())
    with mirrored(storage_url) as mirror:
        mirror.fetch(lambda name: name == "rows.csv" or name.startswith("board/"))
        with (mirror.folder / "rows.csv").open("a") as file:
            file.write(", and more")
        (mirror.folder / "board" / "old").unlink()
        (mirror.folder / "board" / "new").write_text("new")
        mirror.push()
        assert there(storage_url) == {
            "rows.csv": "rows.csv, and more", "board/new": "new", "weights": "weights", "encoder.json": "encoder.json",
        }  # fmt: skip


def test_only_what_changed_is_copied_and_the_file_that_makes_it_valid_comes_last(
    s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    acts: list[str] = []
    move, delete = store.move_in, store.delete

    def moved(path: Path, url: str) -> None:
        acts.append(f"put {url.rpartition('/')[2]}")
        move(path, url)

    def deleted(urls: list[str]) -> None:
        acts.extend(f"delete {url.rpartition('/')[2]}" for url in urls)
        delete(urls)

    monkeypatch.setattr(store, "move_in", moved)
    monkeypatch.setattr(store, "delete", deleted)
    with mirrored(f"{s3_url}/model") as mirror:
        for name in ("weights", "spec", "card"):
            (mirror.folder / name).write_text(name)
        mirror.push(last="spec")
        mirror.push(last="spec")
        (mirror.folder / "weights").write_text("better weights")
        mirror.push(last="spec")
    assert acts == ["delete spec", "put card", "put weights", "put spec", "delete spec", "put weights", "put spec"]
