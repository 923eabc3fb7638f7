"""Text for terminals: tables as plain lines, and names and texts of others without control characters.

A table is as wide as the terminal, or PAGE columns where there is none.
"""

import io
import re
import shutil
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

PAGE = 120  # columns, where stdout is a pipe or a file

# Characters that move the cursor, set the title, ring, reverse the order of letters or end a line, and halves of
# characters, which no stream can write.  Line feeds and tabs stay; so do marks that Arabic, Hebrew or Hindi require.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def escaped(text: str) -> str:
    r"""The text with `\u001b` in place of each control character but line feeds and tabs; valid within JSON, too."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def one_line(text: object) -> str:
    r"""As `escaped`, with `\u000a` for a line feed: a name with one must not look like a line of ours."""
    return escaped(str(text)).replace("\n", "\\u000a")


def joined(lines: Iterable[object]) -> str:
    """Lines as one text, each `one_line`."""
    return "\n".join(map(one_line, lines))


def table_of(*columns: str, right: tuple[str, ...] = ()) -> Table:
    """An empty table without frame; the columns named in `right` are set to the right."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        justify = "right" if column in right else "left"
        table.add_column(column, justify=justify, overflow="fold")  # type: ignore[arg-type]
    return table


def add_row(table: Table, *cells: object) -> None:
    """Adds cells as plain text, a list as lines: archives have brackets in their names, which rich takes for markup."""
    table.add_row(*map(_cell, cells))


def _cell(cell: object) -> Text:
    lines = cell if isinstance(cell, Sequence) and not isinstance(cell, str) else [cell]
    return Text(joined(lines))


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
