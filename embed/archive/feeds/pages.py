"""Pages of a feed: each names the next one, up to a limit; pages that lead back are reported and read once."""

from dataclasses import dataclass, field

from embed.archive.feeds.formats import read_page
from embed.archive.feeds.items import Item
from embed.archive.feeds.links import Reach
from embed.errors import OF_ONE_FILE, DegluError, InputError


@dataclass
class Feed:
    """The items of all pages, in their order; `problem` is why there may be more."""

    title: str
    items: list[Item] = field(default_factory=list)
    repeated: list[Item] = field(default_factory=list)  # of two pages, as pages shift while a feed grows
    problem: DegluError | None = None


def read_feed(url: str, reach: Reach, most_pages: int) -> Feed:
    """The feed whose first page is at `url`.  Raises a DegluError where that page cannot be read."""
    page = read_page(url)
    feed = Feed(page.title)
    broken = ""
    addresses, known = {url}, set[tuple[str, str]]()
    while True:
        num = len(feed.items)
        for item in page.items:
            key = item.guid, item.enclosure.href if item.enclosure else item.title
            (feed.repeated if key in known else feed.items).append(item)
            known.add(key)
        broken = broken or page.problem
        if page.following is None:
            feed.problem = InputError(broken) if broken else None
            return feed
        try:
            at = reach.url(page.following)
            if at in addresses or (page.items and len(feed.items) == num):
                raise InputError(
                    f"{url}: page {len(addresses)} leads back to pages before it; correct its rel=next link"
                )
            if len(addresses) >= most_pages:
                raise InputError(f"{url}: more than {most_pages:,} pages; set `web: {{pages: ...}}` for the input")
            addresses.add(at)
            page = read_page(at)
        except OF_ONE_FILE as error:
            feed.problem = error
            return feed
