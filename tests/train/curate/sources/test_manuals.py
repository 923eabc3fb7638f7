from collections.abc import Callable
from pathlib import Path

import pytest

from train.curate.sources.manuals import Paragraph, aligned, packages, paragraphs

SHARED = "<p>This paragraph was never translated by anybody, so it is English.</p>"
ENGLISH = f"""<p>Before any section there is a line of more than forty characters.</p>
<section id="start"><p>Read the <a href="x">guide</a> of the new maintainer &amp; the\npolicy, then begin.</p>
<section id="deep"><p>Too short.</p>{SHARED}</section>{SHARED}</section><p>{"long " * 200}</p>"""
FRENCH = f"<section id='start'><p>Lisez le guide du nouveau responsable et la charte, puis commencez.</p>{SHARED}"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    english = tmp_path / "debian/developers-reference_1/usr/share/developers-reference"
    french = tmp_path / "debian/developers-reference-fr_1/usr/share/developers-reference/fr"
    for folder, page in ((english, ENGLISH), (french, FRENCH)):
        folder.mkdir(parents=True)
        (folder / "pkgs.html").write_text(page, encoding="utf-8")
        (folder / "index.html").write_text("<p>An index is no running text, however long its lines are.</p>")
    return tmp_path


GUIDE = Paragraph(
    "en", "Read the guide of the new maintainer & the policy, then begin.", "developers-reference/pkgs.html#start"
)


def test_paragraphs_are_distinct_and_know_their_section(cache: Path) -> None:
    found = paragraphs(cache)
    assert [(one.lang, one.origin.partition("#")[2]) for one in found] == [
        ("en", ""),
        ("en", "start"),
        ("en", "deep"),
        ("fr", "start"),
    ]
    assert found[1] == GUIDE


def test_what_was_not_translated_is_not_french(cache: Path) -> None:
    assert [one.text[:9] for one in paragraphs(cache, ["fr"])] == ["Lisez le "]


def test_sections_of_equal_length_are_aligned(tmp_path: Path) -> None:
    texts = {
        "developers-reference": [
            "Packages are built from source on every one of them.",
            "A",
            "Only in the English one.",
        ],
        "developers-reference-fr/fr": ["Les paquets sont construits depuis les sources sur chacune.", "B"],
    }
    for name, (first, short, *more) in texts.items():
        package, _, lang = name.partition("/")
        folder = tmp_path / f"debian/{package}_1/usr/share/developers-reference" / lang
        folder.mkdir(parents=True)
        uneven = "".join(f"<p>{text}</p>" for text in (first, *more))
        page = f'<section id="even"><p>{short}</p><p>{first}</p></section><section id="uneven">{uneven}</section>'
        (folder / "pkgs.html").write_text(page, encoding="utf-8")
    found = aligned(tmp_path)
    assert list(found) == ["pkgs.html#even/1"]
    assert found["pkgs.html#even/1"]["fr"].startswith("Les paquets")


def test_packages_are_of_the_languages() -> None:
    assert packages(["fr", "wo"]) == ("developers-reference-fr",)


@pytest.mark.data
def test_the_real_manual_gives_hundreds(obtain: Callable[[Callable[[Path], list[Paragraph]]], list[Paragraph]]) -> None:
    found = obtain(paragraphs)
    assert sum(one.lang == "fr" for one in found) > 800
    assert sum(one.lang == "en" for one in found) > 800
    assert all(40 <= len(one.text) <= 700 for one in found)
    assert len({one.text for one in found}) == len(found)
