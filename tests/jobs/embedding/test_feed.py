"""`deglu embed` on a podcast: planned, embedded, resumed by etags, verified and read back with its titles."""

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile

from embed.dataset import open_dataset
from embed.encoder import SAMPLE_RATE
from jobs.__main__ import run
from jobs.demo.demo_material import voice
from tests.jobs.embedding.small_archive import rows_at, spec_of, written
from tests.web_server import Page, WebServer, web_server

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session", "light")]

FEED = """<rss version="2.0" xmlns:podcast="https://podcastindex.org/namespace/1.0"><channel><title>Morning</title><language>en-GB</language>
<item><guid>1</guid><title>Rain</title><pubDate>Mon, 30 Nov 2026 06:00:00 GMT</pubDate><enclosure url="/1.ogg"/></item>
<item><guid>2</guid><title>Rice</title><enclosure url="/2.wav" type="audio/x-wav"/>
<podcast:transcript url="/words?of=2" type="application/x-subrip"/></item>
<item><guid>3</guid><title>Gone</title><enclosure url="/3.mp3"/></item>
<item><guid>4</guid><title>Sign in</title><enclosure url="/4.mp3"/></item>
<item><guid>5</guid><title>Words alone</title></item>
</channel></rss>"""


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as site:
        site.pages["/feed"] = Page(FEED.encode(), "application/rss+xml")
        site.pages["/1.ogg"] = Page(_sound(1, "OGG"), "audio/ogg")
        site.pages["/2.wav"] = Page(_sound(2, "WAV"), ranges=False)
        site.pages["/words?of=2"] = Page(b"1\n00:00:00,000 --> 00:00:02,500\nThe price of rice\n")
        site.pages["/4.mp3"] = Page(b"<html>Sign in</html>", "text/html")
        yield site


def _sound(seed: int, container: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, voice(2.5, seed), SAMPLE_RATE, format=container)
    return file.getvalue()


@pytest.mark.slow
def test_a_podcast_is_embedded_resumed_and_read_back(
    web: WebServer, tmp_path: Path, tiny_model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def ask(*command: str, code: int = 0) -> dict[str, Any]:
        assert run([*command, "--json"]) == code
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    feed = {"url": web.url("/feed"), "name": "morning", "web": {"private": True}, "transcripts": "joined"}
    spec = str(written(tmp_path, spec_of("", tmp_path / "out", tiny_model, inputs=[feed])))
    plan = ask("plan", spec)
    assert [row["uri"] for row in plan["problems"]] == ["morning#guid=3", "morning#guid=4"]
    assert plan["inputs"] == [web.url("/feed")]

    first = ask("embed", spec, code=3)
    assert (first["assets"], first["failed_assets"], first["passed_over"]) == (4, 2, {"item without enclosure": 1})
    rows = rows_at(tmp_path / "out")
    titles = {row["uri"]: dict(row["metadata"])["title"] for row in rows.to_pylist()}
    assert titles == {"morning#guid=1": "Rain", "morning#guid=2": "Rice"}
    assert dict(rows["metadata"][0].as_py())["feed"] == "Morning"
    assert {row["uri"]: row["text"] for row in rows.to_pylist()} == {
        "morning#guid=1": None,
        "morning#guid=2": "The price of rice",
    }
    assert set(rows["lang"].to_pylist()) == {"en"}
    failures = {row["uri"]: row["message"] for row in open_dataset(str(tmp_path / "out")).failures().to_pylist()}
    assert re.search(r"no such file \(404\)", failures["morning#guid=3"])
    assert re.search("its server has text/html there, and no recording", failures["morning#guid=4"])
    assert ask("verify", str(tmp_path / "out"))["whole"]

    web.asked.clear()
    again = ask("embed", spec, code=3)
    assert again["new_units"] == 0
    assert {path: asked for path, asked in web.asked if path in ("/1.ogg", "/2.wav")} == {
        "/1.ogg": "bytes=0-0",
        "/2.wav": "bytes=0-0",
    }
    web.pages["/1.ogg"] = Page(_sound(3, "OGG"), "audio/ogg", '"new"')
    changed = ask("embed", spec, code=3)
    assert changed["new_units"] == 1
    now = rows_at(tmp_path / "out").select(["uri", "content_version"]).to_pylist()
    assert {row["uri"]: row["content_version"] for row in now} == {
        "morning#guid=1": "etag:new",
        "morning#guid=2": "etag:one",
    }
