"""The bench of the first second, with commands of its own: the real ones take minutes."""

from pathlib import Path

import pytest

from embed.errors import DegluError
from evaluate.bench import first_second
from evaluate.bench.first_second import HOUSE, bench, commands_on, measured


def checkout(folder: Path, work: int) -> Path:
    (folder / "jobs").mkdir(parents=True)
    (folder / "jobs" / "__init__.py").touch()
    (folder / "jobs" / "__main__.py").write_text(f"import sys; sum(range({work})); sys.exit('--fail' in sys.argv)")
    return folder


@pytest.mark.slow
def test_checkouts_are_measured_in_turn(tmp_path: Path) -> None:
    quick, slow = checkout(tmp_path / "quick", 1), checkout(tmp_path / "slow", 20_000_000)
    found = measured({"help": ["--help"]}, [quick, slow], 1)["help"]
    assert 0 < found[quick] < found[slow]


def test_a_command_that_fails_is_named(tmp_path: Path) -> None:
    with pytest.raises(DegluError, match="deglu query --fail ended with 1"):
        measured({"typed": ["query", "--fail"]}, [checkout(tmp_path / "house", 1)], 1)


def test_the_commands_ask_by_text_and_by_sound(tmp_path: Path) -> None:
    found = commands_on("idx", tmp_path)
    assert found["typed question"][:3] == ["query", "idx", "--text"]
    assert Path(found["spoken question"][3]).stat().st_size > 16_000


@pytest.mark.parametrize("other", [False, True], ids=["the goals", "another checkout"])
def test_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: bool) -> None:
    against = tmp_path / "old" if other else None
    spent = {HOUSE: 1.0, tmp_path / "old": 4.0}
    monkeypatch.setattr(first_second, "measured", lambda commands, *_: dict.fromkeys(commands, spent))
    rows = bench(1, against, "idx")["rows"]
    assert [row["measure"] for row in rows] == ["deglu --help", "deglu typed question", "deglu spoken question"]
    assert rows[1]["ratio"] == pytest.approx(4.0 if other else 3.5)
    assert rows[1]["against"] == (str(against) if other else "the goal")
