import pytest

from embed.archive.feeds.chapters import chapters_text
from embed.archive.feeds.items import Item, Link, date_of, lang_of, metadata_of, seconds_of


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("Mon, 30 Nov 2026 06:00:00 GMT", "2026-11-30T06:00:00Z"),
        ("30 Nov 2026 06:00 +0530", "2026-11-30T00:30:00Z"),
        (" Mon, 30 Nov 26 06:00:00 EST ", "2026-11-30T11:00:00Z"),
        ("2026-11-30T06:00:00.5+01:00", "2026-11-30T05:00:00Z"),
        ("2026-11-30", "2026-11-30T00:00:00Z"),
        ("Mon, 30 Nov 2026 06:00:00 -0000", "2026-11-30T06:00:00Z"),
        ("lundi 30 novembre 2026", None),
        ("Mon, 32 Nov 2026 06:00:00 GMT", None),
        ("Mon, 30 Nov 2026 25:00:00 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 -1200", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("", None),
        ("yesterday", None),
    ],
)
def test_dates(text: str, date: str | None) -> None:
    assert date_of(text) == date


def test_durations_and_languages() -> None:
    texts = ("1:02:03", "62:03", "3723", "3723.0", "90:00:00", "", "0", "long", "-5", "1:2:3:4", "9" * 400)
    assert [seconds_of(text) for text in texts] == [3723.0] * 4 + [324_000.0] + [None] * 6
    languages = ("fr-FR", "wo", " EN_us ", "zh-Hant", "", "1", "français", "x")
    assert [lang_of(one) for one in languages] == ["fr", "wo", "en", "zh", None, None, None, None]


def test_what_is_absent_or_secret_is_left_out() -> None:
    item = Item(title="See https://x/?token=hunter2 now", link="https://x/1?token=hunter2", duration="soon")
    assert metadata_of(item, "") == {"title": "See https://x/?token=*** now"}
    assert Item(guid="a#b").name == "guid=a%23b"
    assert Item(enclosure=Link("https://x/1.mp3?token=hunter2", "")).name == "enclosure=https://x/1.mp3?token=***"


def test_chapters_are_in_order_of_their_time() -> None:
    text = '[{"start": 0.0, "title": "News"}, {"start": 60.5, "title": "Météo"}]'
    assert chapters_text([(60.5, "Météo"), (0.0, "News")]) == text
    assert chapters_text([]) == ""
