import gzip
from pathlib import Path

import pytest

from embed.errors import InputError
from embed.text.subtitles import read_cues

SRT = """1
00:00:01,000 --> 00:00:02,500
Le marché <i>a rouvert</i>.

2
00:01:03,000 --> 01:00:04,000 X1:0 X2:9
{\\an8}Deux lignes :
la seconde, 3 < 4.

3
01:00:05,000 --> 01:00:06,000
<font color="#ffff00"></font>

"""
VTT = """WEBVTT - été
Kind: captions

NOTE a remark
of two lines

STYLE
::cue { color: red }

intro
00:01.000 --> 00:02.500 align:start
<v Awa>Le marché <c.loud>a</c> rouvert.</v>

01:03.000 --> 01:00:04.000
Deux lignes :
la <00:01:03.500>seconde, 3 &lt; 4.
"""
CUES = [("Le marché a rouvert.", "1.000", "2.500"), ("Deux lignes :\nla seconde, 3 < 4.", "63.000", "3604.000")]


def cues(path: Path, encoding: str | None = None) -> list[tuple[str, str, str]]:
    found = list(read_cues(str(path), encoding))
    assert [one.place for one in found] == list(range(len(found)))
    return [(one.text, one.metadata["start"], one.metadata["end"]) for one in found]


@pytest.mark.parametrize(
    ("name", "content", "encoding"),
    [
        ("a.srt", SRT.encode(), None),
        ("b.SRT", SRT.replace("\n", "\r\n").encode("cp1252"), "cp1252"),
        ("c.srt", SRT.replace("\n", "\r").encode("utf-8-sig"), None),
        ("d.srt", SRT.encode("utf-16"), None),
        ("e.srt.gz", gzip.compress(SRT.encode()), None),
        ("f.vtt", VTT.encode(), None),
        ("g.vtt", VTT.replace("\n", "\r\n").encode("utf-8-sig"), None),
    ],
)
def test_cues_with_their_times(tmp_path: Path, name: str, content: bytes, encoding: str | None) -> None:
    (tmp_path / name).write_bytes(content)
    assert cues(tmp_path / name, encoding) == CUES


@pytest.mark.parametrize("content", ["Bonjour.\n", "WEBVTT\n\nNOTE nothing\n", "1\n00:00:01,000 --> 00:00:02,000\n\n"])
@pytest.mark.parametrize("suffix", ["srt", "vtt"])
def test_no_cue_is_an_error(tmp_path: Path, content: str, suffix: str) -> None:
    (tmp_path / f"a.{suffix}").write_text(content)
    with pytest.raises(InputError, match=rf"a\.{suffix}: "):
        cues(tmp_path / f"a.{suffix}")
