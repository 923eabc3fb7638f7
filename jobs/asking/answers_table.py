"""One question's answers as a table for a terminal."""

from collections.abc import Callable, Sequence

from rich.table import Table
from rich.text import Text

from index.ask.answers import Answer, characters, clock_times
from jobs.command.terminal import add_row, one_line

# By title: the place of speech in time, of text in characters; a column that is empty for all answers is left out.
PLACES: dict[str, Callable[[Answer], str]] = {"time": clock_times, "characters": characters}


def as_table(answers: Sequence[Answer], question: str | None = None) -> Table:
    """A row for each answer, best first."""
    table = Table(title=Text(one_line(question)) if question else None, title_justify="left", box=None, pad_edge=False)
    table.add_column("#", justify="right")
    table.add_column("score", justify="right")
    table.add_column("asset", overflow="fold")
    places = {title: place for title, place in PLACES.items() if any(map(place, answers))}
    for title in places:
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("text")
    for answer in answers:
        asset = f"{answer.uri} {answer.item}" if answer.item else answer.uri
        cells = [answer.rank, f"{answer.score:.3f}", asset, *(place(answer) for place in places.values())]
        add_row(table, *cells, (answer.text or "").split("\n"))
    return table
