"""Metrics log of a running training: `metrics.csv` for programs, event files for TensorBoard.

The CSV has one number per row (step, epoch, name, value), so that a new name can appear at any time; names are the
tags of TensorBoard: `loss/total`, `dev/score`, `rate/learning`.  A training that resumes from an earlier step removes
the later rows.
"""

import csv
import shutil
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.summary import scalar

CSV, TENSORBOARD = "metrics.csv", "tensorboard"
COLUMNS = ("step", "epoch", "name", "value")

Row = tuple[int, int, str, float]


class MetricsLog:
    """Both kinds of files below a folder, open inside `with`; existing rows are kept until `resume_from`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path, self.events = folder / CSV, folder / TENSORBOARD

    def __enter__(self) -> "MetricsLog":
        self._open(read_metrics(self.path))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._close()

    def resume_from(self, step: int) -> None:
        """Remove the rows after `step`, since these steps will be repeated; 0 removes all."""
        self._close()
        self._open([row for row in read_metrics(self.path) if row[0] <= step and step])

    def note(self, step: int, epoch: int, values: Mapping[str, float]) -> None:
        """Add the numbers after so many steps; they are on disk when this returns."""
        self._write([(step, epoch, name, float(value)) for name, value in values.items()])
        self._file.flush()

    def flush(self) -> None:
        """Write the event files to disk too, not only the CSV, whose rows are there at once."""
        self._board.flush()

    def _open(self, rows: Iterable[Row]) -> None:
        """Write both from these rows: rows cannot be removed from event files, so these are rewritten."""
        shutil.rmtree(self.events, ignore_errors=True)
        self.events.mkdir()
        # Not `SummaryWriter`, whose thread writes later.  An absolute path: one that begins with "s3" would need boto3.
        self._board = EventsWriter(str(self.events.absolute() / "events"))
        self._file = self.path.open("w", newline="", encoding="utf-8")
        self._csv = csv.writer(self._file, lineterminator="\n")
        self._csv.writerow(COLUMNS)
        self._write(rows)
        self._file.flush()

    def _write(self, rows: Iterable[Row]) -> None:
        for step, epoch, name, value in rows:
            self._csv.writerow([step, epoch, name, repr(value)])
            self._board.write_event(Event(step=step, wall_time=time.time(), summary=scalar(name, value)))

    def _close(self) -> None:
        self._file.close()
        self._board.close()


def read_metrics(path: Path) -> list[Row]:
    """The rows of a metrics.csv in their order; [] where there is none.

    A last line that a kill has truncated is left out.
    """
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        lines = [line for line in csv.reader(file) if len(line) == len(COLUMNS)][1:]
    return [row for line in lines if (row := _row(line)) is not None]


def _row(line: list[str]) -> Row | None:
    try:
        return int(line[0]), int(line[1]), line[2], float(line[3])
    except ValueError:
        return None
