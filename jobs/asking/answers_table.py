"""One question's answers as a table for a terminal."""

from collections.abc import Callable, Sequence

from rich.table import Table
from rich.text import Text

from index.ask.answers import Answer, characters, clock_times
from jobs.command.terminal import add_row, one_line

# Of the metadata: those that tell a listener which programme it is.
PROGRAMME = ("title", "date", "chapter")
MOST_CHARS = 60  # of a cell

# By title: the place of speech in time, of text in characters; a column that is empty for all answers is left out.
PLACES: dict[str, Callable[[Answer], str]] = {"time": clock_times, "characters": characters}


def as_table(answers: Sequence[Answer], question: str | None = None, repeats: Sequence[int] = ()) -> Table:
    """A row for each answer, best first; `repeats` are the numbers of their other broadcasts, if any were counted."""
    table = Table(title=Text(one_line(question)) if question else None, title_justify="left", box=None, pad_edge=False)
    table.add_column("#", justify="right")
    table.add_column("score", justify="right")
    table.add_column("asset", overflow="fold")
    places = {title: place for title, place in PLACES.items() if any(map(place, answers))}
    for title in places:
        table.add_column(title, justify="right", no_wrap=True)
    has_programme = any(map(_programme, answers))
    if has_programme:
        table.add_column("title", overflow="fold")
    has_repeats = any(repeats)
    if has_repeats:
        table.add_column("also", justify="right", no_wrap=True)
    table.add_column("text")
    for place_in_list, answer in enumerate(answers):
        asset = f"{answer.uri} {answer.item}" if answer.item else answer.uri
        cells = [answer.rank, f"{answer.score:.3f}", asset, *(place(answer) for place in places.values())]
        cells += [_programme(answer)] if has_programme else []
        cells += [_also(repeats[place_in_list])] if has_repeats else []
        add_row(table, *cells, (answer.text or "").split("\n"))
    return table


def _also(count: int) -> str:
    return f"+{count:,}" if count else ""


def _programme(answer: Answer) -> str:
    """`title · date`, and the chapter, where the metadata has them."""
    return " · ".join(_short(answer.metadata[name]) for name in PROGRAMME if answer.metadata.get(name))


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= MOST_CHARS else f"{text[: MOST_CHARS - 3].rstrip()}..."
