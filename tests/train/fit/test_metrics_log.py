"""What is noted stands in the CSV and in TensorBoard's files, and can be taken back."""

import struct
from pathlib import Path

from tensorboardX.proto.event_pb2 import Event

from train.fit.metrics_log import COLUMNS, CSV, TENSORBOARD, MetricsLog, read_metrics


def test_numbers_stand_in_the_csv_and_in_the_event_files(tmp_path: Path) -> None:
    with MetricsLog(tmp_path) as log:
        log.note(1, 0, {"loss/total": 2.5, "rate/learning": 0.1})
        assert len(read_metrics(tmp_path / CSV)) == 2  # at once, not at the end
        log.note(2, 0, {"loss/total": 2.25})
    assert (tmp_path / CSV).read_text().splitlines()[0] == ",".join(COLUMNS)
    expected = [(1, "loss/total", 2.5), (1, "rate/learning", 0.1), (2, "loss/total", 2.25)]
    assert [(step, name, value) for step, _, name, value in read_metrics(tmp_path / CSV)] == expected
    assert [(step, name, round(value, 6)) for step, name, value in scalars(tmp_path / TENSORBOARD)] == expected


def test_going_on_takes_back_what_will_be_done_again(tmp_path: Path) -> None:
    with MetricsLog(tmp_path) as log:
        for step in (1, 2, 3):
            log.note(step, 0, {"loss/total": float(step)})
    with MetricsLog(tmp_path) as log:  # the same command, again
        log.resume_from(2)
        log.note(3, 0, {"loss/total": 30.0})
    assert [value for *_, value in read_metrics(tmp_path / CSV)] == [1, 2, 30]
    assert [value for *_, value in scalars(tmp_path / TENSORBOARD)] == [1, 2, 30]


def test_a_fresh_training_begins_with_nothing(tmp_path: Path) -> None:
    with MetricsLog(tmp_path) as log:
        log.note(0, 0, {"dev/score": 1.0})
        log.resume_from(0)
    assert read_metrics(tmp_path / CSV) == []


def test_a_line_that_a_kill_has_cut_is_left_out(tmp_path: Path) -> None:
    with MetricsLog(tmp_path) as log:
        log.note(1, 0, {"loss/total": 2.5})
    with (tmp_path / CSV).open("a") as file:
        file.write("2,0,loss/total,")
    assert [step for step, *_ in read_metrics(tmp_path / CSV)] == [1]


def scalars(folder: Path) -> list[tuple[int, str, float]]:
    """Of all event files: records of length, checksum, bytes, checksum."""
    found = []
    for path in sorted(folder.iterdir()):
        data, at = path.read_bytes(), 0
        while at < len(data):
            (size,) = struct.unpack_from("<Q", data, at)
            event = Event.FromString(data[at + 12 : at + 12 + size])
            found += [(event.step, value.tag, value.simple_value) for value in event.summary.value]
            at += 16 + size
    return found
