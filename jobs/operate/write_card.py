"""`deglu card`: the data set card of a dataset, next to its files."""

from embed.dataset import open_dataset
from embed.exports.card import write_card
from jobs.command.output import Plain


def card(dataset: str) -> Plain:
    """Write `README.md` into the dataset's folder.  InputError where there is one already."""
    opened = open_dataset(dataset)
    url = write_card(opened)
    lines = f"{url}: the card of version {opened.info.number}; add the licence before you publish it"
    return Plain({"card": url, "version": opened.info.number}, lines)
