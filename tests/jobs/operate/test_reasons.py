"""Messages of one kind meet, messages of two kinds do not."""

from typing import Any

import pytest

from jobs.operate.reasons import by_reason, kind_of, without_file


def row(message: str, uri: str = "radio/a b.mp3", stage: str = "decode", lost_s: float = 0.0) -> dict[str, Any]:
    return {"stage": stage, "error_class": "InputError", "uri": uri, "message": message, "lost_s": lost_s}


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("/archive/a b.mp3: no sound could be decoded", "no sound could be decoded"),
        ("s3://bucket/old radio/a b.mp3: 1.5 s could not be decoded", "N s could not be decoded"),
        ("s3://bucket/c.mp3: worker died, 2 times over this span", "worker died, N times over this span"),
        ("too short: 1 sample at 16 kHz (6.25e-05 s)", "too short: N sample at N kHz (N s)"),
        ("bytes 10-2,000 are not utf-8", "bytes N are not utf-8"),
        ("cannot read ./x/y.txt, nor '/z/1.txt'.", "cannot read FILE, nor 'FILE'."),
        ("unit 0123456789abcdef and 0x7ff at 00:12:30", "unit ID and ID at N"),
        ("pcm16 and/or mp3 on\n two lines", "pcm16 and/or mp3 on two lines"),
        ("deadbeefdead is a word", "deadbeefdead is a word"),
        ("mov,mp4,m4a,3gp,3g2,mj2 without a readable audio stream",) * 2,
        ("codec mp4a.40.2 or H.264 after 10ms, 2x or 3.5 s", "codec mp4a.40.2 or H.264 after Nms, Nx or N s"),
    ],
)
def test_what_is_particular_is_taken_out(message: str, kind: str) -> None:
    assert kind_of(row(message)) == kind


def test_only_the_file_itself_is_left_out_of_its_message() -> None:
    assert without_file(row("/archive/a b.mp3: 3 s of /archive/c.mp3 lost")) == "3 s of /archive/c.mp3 lost"
    assert without_file(row("the model said: no", uri="radio")) == "the model said: no"
    member = row("/archive/a b.tar#at=512+7&member=c d.wav: empty", uri="radio/a b.tar#member=c d.wav")
    assert without_file(member) == "empty"


def test_reasons_are_counted_with_what_they_cost() -> None:
    rows = [
        row("/a/1.mp3: 2 s lost", "r/1.mp3", lost_s=2.0),
        row("/a/2.mp3: empty", "r/2.mp3", stage="probe"),
        row("/a/3.mp3: 0.5 s lost", "r/3.mp3", lost_s=0.5),
    ]
    first, second = by_reason(rows)
    assert (first["message"], first["count"], first["lost_s"], first["example"]) == ("N s lost", 2, 2.5, rows[0])
    assert (second["stage"], second["message"], second["count"]) == ("probe", "empty", 1)
