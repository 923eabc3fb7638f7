from pathlib import Path

from embed.archive.named_files import NamedFiles
from embed.storage import store


def named(folder: Path, *urls: str, passed_over: dict[str, str] | None = None) -> NamedFiles:
    found = NamedFiles(store.inputs(str(folder)), passed_over or {})
    found.look_up(urls)
    return found


def test_files_are_found_in_the_input_elsewhere_or_nowhere(tmp_path: Path) -> None:
    for name in ("in/a.wav", "in/B.wav", "far/c.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    urls = {name: f"{tmp_path}/{name}" for name in ("in/a.wav", "in/b.wav", "far/c.wav", "far\\c.wav", "far/gone.wav")}
    found = named(tmp_path / "in", *urls.values())
    places = {name: found.place(url) for name, url in urls.items()}
    assert places == {"in/a.wav": 1, "in/b.wav": 0, "far/c.wav": None, "far\\c.wav": None, "far/gone.wav": None}
    entries = {name: found.entry(url) for name, url in urls.items()}
    paths = {name: entry and entry.url.removeprefix(f"{tmp_path}/") for name, entry in entries.items()}
    assert paths == {
        "in/a.wav": "in/a.wav",
        "in/b.wav": "in/B.wav",
        "far/c.wav": "far/c.wav",
        "far\\c.wav": "far/c.wav",
        "far/gone.wav": None,
    }
    assert found.similar(urls["far/gone.wav"]) == ""
    assert found.entry(f"{tmp_path}/never-looked-up.wav") is None


def test_an_excluded_file_is_not_found_under_another_spelling(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.wav").write_bytes(b"x")
    url = f"{tmp_path}/sub\\a.wav"
    assert named(tmp_path / "none", url).entry(url) is not None
    found = named(tmp_path / "none", url, passed_over={f"{tmp_path}/sub/a.wav": "excluded file"})
    assert (found.entry(url), found.is_excluded(f"{tmp_path}/sub/a.wav")) == (None, True)
