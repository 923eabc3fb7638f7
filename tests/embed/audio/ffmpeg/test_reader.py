from pathlib import Path

import numpy as np
import pytest
import soundfile

from embed.audio.containers import open_stream
from embed.audio.decode import probe
from embed.audio.ffmpeg import by_ffmpeg, headerless
from embed.audio.mix import mean_of
from embed.audio.stream import Watched
from embed.errors import UnsupportedFormat

RATE = 16_000


@pytest.mark.parametrize("channels", [1, 2, 8, 12])
def test_any_number_of_channels_is_averaged(channels: int, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    many = np.random.default_rng(0).uniform(-0.5, 0.5, (RATE, channels)).astype(np.float32)
    soundfile.write(path, many, RATE, subtype="FLOAT", format="WAVEX" if channels > 2 else "WAV")
    with path.open("rb") as file, by_ffmpeg(Watched(file), str(path)) as stream:
        assert (stream.rate, stream.channels, stream.duration_s) == (RATE, channels, 1.0)
        heard = np.concatenate([mean_of(block.samples) for block in stream.blocks(0)])
    np.testing.assert_allclose(heard, many.mean(axis=1), atol=1e-6)


def test_a_playlist_opens_nothing(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "secret.wav", np.zeros(RATE), RATE)
    lists = {
        "a.mp3": f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:1,\n{tmp_path}/secret.wav\n#EXT-X-ENDLIST\n",
        "b.mp3": f"ffconcat version 1.0\nfile '{tmp_path}/secret.wav'\n",
        "c.wav": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
    }
    for name, text in lists.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(UnsupportedFormat, match=name):
            probe(str(tmp_path / name))


def test_a_name_decides_only_where_the_content_says_nothing(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(RATE), RATE)
    (tmp_path / "a.wav").rename(tmp_path / "a.gsm")
    with open_stream(str(tmp_path / "a.gsm")) as stream:
        assert stream.duration_s == 1.0
    (tmp_path / "b.ulaw").write_bytes(bytes(8_000))
    with (tmp_path / "b.ulaw").open("rb") as file:
        assert headerless(Watched(file), "b.ulaw") == "mulaw"
    assert probe(str(tmp_path / "b.ulaw")).duration_s == 1.0
