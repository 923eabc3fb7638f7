import pytest

from jobs.command.terminal import add_row, drawn, table_of


@pytest.fixture(params=[40, 200])
def columns(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("COLUMNS", str(request.param))
    return int(request.param)


def test_cells_are_shown_as_they_are(columns: int) -> None:
    table = table_of("file", "count", right=("count",))
    add_row(table, "[b]programme[/b] 1.wav", 7)
    add_row(table, "x", 12_345)
    assert drawn(table).splitlines() == [
        "file                    count",
        "[b]programme[/b] 1.wav      7",
        "x                       12345",
    ]


def test_a_long_cell_is_folded_and_nothing_of_it_lost(columns: int) -> None:
    table = table_of("message")
    add_row(table, "0123456789" * 10)
    lines = drawn(table).splitlines()
    assert max(map(len, lines)) <= columns
    assert "".join(lines[1:]) == "0123456789" * 10
