"""Links of a feed: on the web, or to files of the input; the feed is a stranger's, so that nothing else is opened."""

from dataclasses import dataclass

from embed.archive.feeds.items import Link
from embed.errors import InputError, OutsideInput
from embed.storage import store


@dataclass(frozen=True)
class Reach:
    """Where links may lead: to files in the folder `within` (None: anywhere), and with `private` to private hosts."""

    within: str | None = None
    private: bool = False

    def url(self, link: Link) -> str:
        """The address to open.  Raises InputError for one that no link may have, OutsideInput for a file elsewhere."""
        try:
            url = store.linked(link.base, link.href)
        except ValueError as error:
            raise InputError(str(error)) from None
        if not store.has_folders(url):
            return store.allowing_private(url) if self.private else url
        if self.within is not None and not store.is_below(url, self.within):
            raise OutsideInput(
                f"{url}: outside of the input, and not read; a feed names it; set `follow: outside` for the input"
            )
        return url
