from typing import Any

import pytest
from pydantic import ValidationError

from embed.archive.inputs import InputSpec
from embed.archive.selection import Selection, in_words, select
from embed.storage.store import Entry

NAMES = ("a.mp3", "2023/b.mp3", "2024/c.mp3", "2024/raw/d.wav", "2024/raw/e.mp3", "raw/f.wav", "drafts/2024/g.mp3")


def chosen(*names: str, **globs: Any) -> Selection:
    return select(InputSpec(url="/in", **globs), "/in", [Entry(f"/in/{name}", 1, None, None) for name in names])


def kept(selection: Selection) -> list[str]:
    return [entry.url.removeprefix("/in/") for entry in selection.kept]


@pytest.mark.parametrize(
    ("glob", "numbers"),
    [
        ("*.wav", [3, 5]),  # a name at any depth
        ("raw", [3, 4, 5]),  # a folder, and all below it
        ("raw/", [3, 4, 5]),
        ("/raw", [5]),  # only at the top
        ("2024/*", [2, 3, 4]),  # with a slash: from the top
        ("2024/*.mp3", [2]),  # a star does not cross a slash
        ("2024/**/*.mp3", [2, 4]),
        ("**/raw/*.wav", [3, 5]),
        ("**", list(range(7))),
        ("?.mp3", [0, 1, 2, 4, 6]),
        ("[a-c].mp3", [0, 1, 2]),
        ("*.MP3", []),
    ],
)
def test_globs(glob: str, numbers: list[int]) -> None:
    wanted = [NAMES[number] for number in numbers]
    assert kept(chosen(*NAMES, include=[glob])) == wanted
    without = chosen(*NAMES, exclude=[glob])
    assert kept(without) == [name for name in NAMES if name not in wanted]
    assert without.unused == (() if wanted else (f"`exclude: {glob}`",))


def test_what_is_excluded_wins_and_every_other_file_has_its_kind() -> None:
    found = chosen("a.mp3", "b.mp3", "c.wav", ".d.mp3", "cover.jpg", include=["*.mp3"], exclude=["b.*", "drafts"])
    assert kept(found) == ["a.mp3"]
    assert found.in_words() == "1 excluded file, 1 hidden file, 1 picture, 1 unselected file"
    assert found.passed_over["/in/c.wav"] == "unselected file"
    assert found.unused == ("`exclude: drafts`",)


def test_a_name_in_other_bytes_is_matched() -> None:
    assert kept(chosen("e\u0301mission.mp3", "b.mp3", include=["\u00e9*"])) == ["e\u0301mission.mp3"]


def test_a_closed_folder_is_kept_unless_it_is_excluded() -> None:
    entries = [
        Entry("/in/lost+found/", 0, None, None, problem="UnreadableFile: closed"),
        Entry("/in/a.wav", 1, None, None),
    ]
    assert len(select(InputSpec(url="/in", include=("*.wav",)), "/in", entries).kept) == 2
    assert kept(select(InputSpec(url="/in", exclude=("lost+found",)), "/in", entries)) == ["a.wav"]
    again = Entry("/in/b/", 0, None, None, repeats="/in/a")
    assert select(InputSpec(url="/in"), "/in", [again, entries[1]]).passed_over == {"/in/b/": "repeated folder"}


def test_no_glob_applies_to_an_input_that_is_a_file() -> None:
    found = select(InputSpec(url="/in/.a.jpg", exclude=("*.jpg",)), "/in/.a.jpg", [Entry("/in/.a.jpg", 1, None, None)])
    assert (found.single, len(found.kept), found.unused) == (True, 1, ("`exclude: *.jpg`",))


def test_an_empty_glob_is_refused() -> None:
    with pytest.raises(ValidationError, match="at least 1 character"):
        InputSpec(url="/in", include=("",))


def test_counts_in_words() -> None:
    assert in_words({"picture": 1, "hidden file": 1200, "log": 12}) == "1,200 hidden files, 12 logs, 1 picture"
