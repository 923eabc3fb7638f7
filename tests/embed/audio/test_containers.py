import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from embed.audio.containers import open_stream
from embed.audio.decode import decode
from embed.storage import store


@pytest.mark.slow
@pytest.mark.parametrize("container", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("first", [0, 1, 22_050, 22_050 * 3 + 7])
def test_blocks_begin_where_they_are_asked_to(container: str, first: int, tmp_path: Path) -> None:
    path = tmp_path / f"a.{container}"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal((22_050 * 4, 2)), 22_050)
    with open_stream(str(path)) as stream:
        assert (stream.rate, stream.channels, stream.duration_s) == (22_050, 2, 4.0)
        whole = np.concatenate([block.samples for block in stream.blocks(0)])
        part = np.concatenate([block.samples for block in stream.blocks(first)])
        assert not any(block.lost for block in stream.blocks(first))
    np.testing.assert_allclose(part, whole[first:], atol=1e-6)
    assert len(whole) == 22_050 * 4


def test_content_decides_not_the_name(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", np.zeros(16_000), 16_000)
    (tmp_path / "a.flac").rename(tmp_path / "a.xyz")
    with open_stream(str(tmp_path / "a.xyz")) as stream:
        assert stream.duration_s == 1.0


def test_a_storage_error_is_never_taken_for_the_end_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Breaks(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 400_000:
                raise ConnectionResetError("the bucket went away")
            return super().read(size)

    soundfile.write(tmp_path / "a.wav", np.zeros(16_000 * 30), 16_000)
    data = (tmp_path / "a.wav").read_bytes()
    monkeypatch.setattr(store, "open_input", lambda url: Breaks(data))
    with pytest.raises(ConnectionResetError):
        decode("a.wav")
