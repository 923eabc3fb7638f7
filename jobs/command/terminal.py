"""Tables as plain lines, as wide as the terminal, or PAGE columns where there is none."""

import io
import shutil

from rich.console import Console
from rich.table import Table
from rich.text import Text

PAGE = 120  # columns, where stdout is a pipe or a file


def table_of(*columns: str, right: tuple[str, ...] = ()) -> Table:
    """An empty table without frame; the columns named in `right` are set to the right."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        justify = "right" if column in right else "left"
        table.add_column(column, justify=justify, overflow="fold")  # type: ignore[arg-type]
    return table


def add_row(table: Table, *cells: object) -> None:
    """Adds cells as plain text: archives have brackets in their names, which rich would take for markup."""
    table.add_row(*(Text(str(cell)) for cell in cells))


def duration(seconds: float) -> str:
    """`42 s`, `7 min`, `3 h 05 min`: rounded for people."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def drawn(table: Table) -> str:
    """The table's lines, without colours and without blanks at their ends."""
    console = Console(file=io.StringIO(), width=shutil.get_terminal_size((PAGE, 24)).columns, highlight=False)
    with console.capture() as captured:
        console.print(table)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
