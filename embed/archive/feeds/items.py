"""Item of a feed: a recording with its title, date, language, duration, chapters and transcript.

title, date (UTC), language, duration (seconds), feed (its title), link      metadata of the item's asset
chapters (JSON), transcript_url, transcript_type
"""

import math
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from embed.redaction import has_secret, redacted

TRANSCRIPT_URL, TRANSCRIPT_TYPE = "transcript_url", "transcript_type"
CHAPTERS = "chapters"
_CLOCK = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)")
_TAG = re.compile(r"[A-Za-z]{2,8}(?=$|[-_])")


@dataclass(frozen=True)
class Link:
    """An address as a feed has it, and the address that it is relative to."""

    href: str
    base: str
    media_type: str = ""


@dataclass(frozen=True)
class Item:
    guid: str = ""
    enclosure: Link | None = None
    title: str = ""
    date: str = ""  # as the feed has it
    language: str = ""
    duration: str = ""  # as the feed has it
    link: str = ""
    transcript: Link | None = None
    chapters_link: Link | None = None
    chapters: list[tuple[float, str]] = field(default_factory=list)  # start in seconds, title

    @property
    def name(self) -> str:
        """The part of a uri after that of the feed; the same wherever the recording moves."""
        found = f"guid={self.guid}" if self.guid else f"enclosure={self.enclosure.href if self.enclosure else ''}"
        return redacted(found).replace("#", "%23")


@dataclass(frozen=True)
class Page:
    """One document of a feed, and the address of the next one."""

    title: str
    items: list[Item]
    following: Link | None = None
    problem: str = ""  # of its XML: what could be read of it is here


def metadata_of(item: Item, feed: str) -> dict[str, str]:
    """The metadata of an item; what is absent, not readable, or an address with a secret is left out."""
    seconds = seconds_of(item.duration)
    found = {
        "title": redacted(item.title),
        "date": date_of(item.date) or "",
        "language": item.language,
        "duration": "" if seconds is None else f"{seconds:g}",
        "feed": redacted(feed),
        "link": item.link,
    }
    return {name: value for name, value in found.items() if value and not has_secret(value)}


def lang_of(language: str) -> str | None:
    """`fr` of `fr-FR`: the language of rows, as the languages of other inputs are written."""
    found = _TAG.match(language.strip())
    return found[0].lower() if found else None


def date_of(text: str) -> str | None:
    """`2026-11-30T06:00:00Z`, in UTC; None where it is no date of RSS or of ISO 8601."""
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            found = read(text.strip())
            aware = found if found.tzinfo else found.replace(tzinfo=UTC)
            return f"{aware.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"
        except (ValueError, OverflowError, TypeError, IndexError):
            continue
    return None


def seconds_of(text: str) -> float | None:
    """Of `1:02:03`, `62:03` or `3723`."""
    found = _CLOCK.fullmatch(text.strip())
    if not found:
        return None
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    total = hours * 3600 + minutes * 60 + seconds
    return total if math.isfinite(total) and total > 0 else None
