"""One question's answers as a table for a terminal."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from index.ask.answers import Answer, place


def as_table(answers: Sequence[Answer], question: str | None = None) -> Table:
    """A row for each answer, best first."""
    table = Table(title=Text(question) if question else None, title_justify="left", box=None, pad_edge=False)
    table.add_column("#", justify="right")
    table.add_column("score", justify="right")
    table.add_column("asset", overflow="fold")
    table.add_column("start - end", justify="right", no_wrap=True)
    table.add_column("text")
    for answer in answers:
        asset = f"{answer.uri} {answer.item}" if answer.item else answer.uri
        cells = [str(answer.rank), f"{answer.score:.3f}", asset, place(answer), answer.text or ""]
        # Bare strings would be read as markup, and archives have brackets in their names.
        table.add_row(*map(Text, cells))
    return table
