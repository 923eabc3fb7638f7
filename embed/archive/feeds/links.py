"""Links of a feed: on the web, or to files of the input; the feed is a stranger's, so that nothing else is opened.

A feed that is itself the input leads to the web.  One in a folder, or in a list, leads there where the input allows it.
"""

from dataclasses import dataclass

from embed.archive.feeds.items import Link
from embed.errors import InputError, OutsideInput
from embed.storage import store


@dataclass(frozen=True)
class Reach:
    """Where links may lead: to files `within` a folder (None: anywhere), to the `web`, to `private` hosts of it."""

    within: str | None = None
    web: bool = True
    private: bool = False

    def url(self, link: Link) -> str:
        """The address to open.  Raises InputError for one that no link may have, OutsideInput for a file elsewhere."""
        try:
            url = store.linked(link.base, link.href)
        except ValueError as error:
            raise InputError(str(error)) from None
        if self.web and not store.has_folders(url):
            return store.allowing_private(url) if self.private else url
        if self.within is not None and not store.is_below(url, self.within):
            raise OutsideInput(
                f"{url}: outside of the input, and not read; a feed names it; set `follow: outside` for the input"
            )
        return url
