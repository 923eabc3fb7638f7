"""The page as people use it: in Chromium, with the keyboard, by voice, on a phone, and when things fail."""

import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import soundfile
import uvicorn

from embed.audio import clips
from embed.encoder import SAMPLE_RATE, Batch, Fingerprints, FloatArray, Role
from embed.identity import digest
from index.ask.searcher import Index, open_index
from index.serve import recordings
from index.serve.access import Tokens
from index.serve.app import make_app
from index.serve.gathering import Gatherer
from index.serve.holdings import Holdings
from index.serve.limits import Rates
from index.serve.recordings import Sound, Stretch
from index.serve.service import Service
from tests.browser import CHROMIUM, DESKTOP, PHONE, Page, chromium
from tests.index.conftest import MakeVectors

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WORDS = ("rain", "rice", "river", "road")
TONES_HZ = (400.0, 700.0, 1_100.0, 1_900.0)  # second i of the recording begins with half a second of tone i
TOKEN = "a-token-of-the-archive"


class TonesAndWords:
    """Each word is an axis, and each tone the same one.  Keeps `embed.encoder.Encoder`."""

    dims = (4, 2)
    fingerprints = Fingerprints("space-1", "tones-and-words")

    def encode(self, batch: Batch, role: Role, task: str | None = None) -> FloatArray:
        places = [self._word(one) if isinstance(one, str) else tone_of(one) for one in batch]
        return np.eye(4, dtype=np.float32)[places] + np.float32(0.01)

    def _word(self, text: str) -> int:
        return next((place for place, word in enumerate(WORDS) if word in text), 0)


class RealSounds:
    """The project's own decoder."""

    def clip(self, stretch: Stretch, kind: Sound) -> bytes:
        return clips.clip(stretch.url, stretch.start_s, stretch.end_s, kind, stretch.tracks)

    def peaks(self, stretch: Stretch, count: int) -> Sequence[float]:
        return clips.peaks(stretch.url, stretch.start_s, stretch.end_s, count, stretch.tracks)

    def question(self, data: bytes) -> FloatArray:
        return clips.uploaded_question(data, 30.0)


class OneRecording:
    """The dataset of the index; keeps what `index.serve.recordings` reads of `embed.dataset.vectors`."""

    def __init__(self, path: Path) -> None:
        about = {"asset_id": digest("speech/0"), "url": str(path), "content_version": "size:1;mtime:0", "tracks": None}
        self._assets = pa.Table.from_pylist([about])

    def assets(self) -> pa.Table:
        return self._assets


def tone_of(samples: FloatArray) -> int:
    """The place of the strongest frequency among TONES_HZ."""
    spectrum = np.abs(np.fft.rfft(samples))
    strongest = float(spectrum.argmax()) * SAMPLE_RATE / len(samples)
    return int(np.abs(np.array(TONES_HZ) - strongest).argmin())


def tone(hz: float, seconds: float) -> FloatArray:
    return (0.4 * np.sin(2 * np.pi * hz * np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE)).astype(np.float32)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds: tone 0, silence, tone 1, silence, tone 2 ..., half a second each."""
    path = tmp_path_factory.mktemp("archive") / "talk.wav"
    pieces = [piece for hz in (*TONES_HZ, *TONES_HZ[:2]) for piece in (tone(hz, 0.5), np.zeros(8_000, np.float32))]
    soundfile.write(path, np.concatenate(pieces), SAMPLE_RATE)
    return path


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, vectors_of: MakeVectors, build_at: Any, recording: Path
) -> Iterator[Service]:
    """Over one index: row i of speech is second i of the recording, row i of text is passage i; both are word i."""
    url = str(tmp_path_factory.mktemp("served") / "archive")
    build_at(url, vectors_of(speech=np.eye(4), text=np.eye(4), dims=(4, 2), rows_per_asset=4))
    opened: list[Index] = []

    def open_newest(url: str) -> Index:
        opened.append(open_index(url))
        return opened[-1]

    sounds = RealSounds()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recordings, "open_dataset", lambda url: OneRecording(recording))
        yield Service("toy", Holdings([url], open_newest, sounds), Gatherer(TonesAndWords(), 64), sounds)


@pytest.fixture(scope="module")
def address(service: Service) -> Iterator[str]:
    """Where the service listens, with its page."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(make_app(service), log_config=None, ws="none"))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        server.should_exit = True
        thread.join(20)


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Chromium, whose microphone plays tone 2 again and again."""
    if CHROMIUM is None:
        missing = "no Chromium: install Debian's package `chromium` to test the page"
        if os.environ.get("DEGLU_REQUIRE_BROWSER") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    folder = tmp_path_factory.mktemp("chromium")
    soundfile.write(folder / "question.wav", tone(TONES_HZ[2], 2.0), SAMPLE_RATE, subtype="PCM_16")
    microphone = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    with chromium(folder / "profile", (*microphone, f"--use-file-for-fake-audio-capture={folder}/question.wav")) as one:
        yield one.new_page()


@pytest.fixture
def page(tab: Page, address: str, service: Service) -> Iterator[Page]:
    """The page, opened anew on a desktop; its script has made no error, and broken no rule, in the end."""
    tab.look(DESKTOP)
    tab.problems.clear()
    tab.open(address)
    tab.wait("state && document.querySelector('#holds').textContent")
    tab.value("sessionStorage.clear(), localStorage.clear()")
    yield tab
    assert not tab.problems


HITS = "[...document.querySelectorAll('.hit')].map(one => one.innerText)"
FOUND = "!document.body.classList.contains('waiting') && document.querySelectorAll('.hit').length"


def asked(page: Page, text: str) -> list[str]:
    """Type the question with the keyboard; the hits as they are read."""
    page.value("document.querySelector('#q').focus(), document.querySelector('#q').select()")
    page.type(text)
    page.press("Enter")
    page.wait(FOUND)
    hits: list[str] = page.value(HITS)
    return hits


def test_a_typed_question_finds_its_passages(page: Page) -> None:
    hits = asked(page, "the price of rice")
    assert len(hits) == 8
    assert sorted("passage 1" in hit or "0:01 – 0:02" in hit for hit in hits[:2]) == [True, True]
    assert page.value("document.querySelector('#status').textContent") == "8 hits"
    assert page.value("document.title") == "the price of rice · Deglu"
    page.value("document.querySelector('#why').open = true")
    why = page.value("document.querySelector('#why').innerText")
    assert "99 % of the truly nearest passages are found" in why
    assert "archive, version 1" in why


def test_filters_similar_passages_and_links(page: Page, address: str) -> None:
    asked(page, "rain")
    page.click("label[for=text]")
    page.wait(f"{FOUND} == 4")
    assert all("English" in hit for hit in page.value(HITS))
    page.value("document.querySelector('#own').open = true, document.querySelector('#where').focus()")
    page.type("text = 'passage 3'")
    page.press("Enter")
    page.wait(f"{FOUND} == 1")
    link = page.value("location.href")
    page.click(".hit .link:last-child")
    page.wait("document.querySelector('#chip').innerText.startsWith('Similar to: text/0, ')")
    page.wait("document.activeElement.id == 'heading'")
    page.wait("document.querySelector('#hits').innerText.includes('No passage fits these filters')")
    page.value("history.back()")
    page.wait("document.querySelector('#q').value == 'rain'")
    page.open(link)
    page.wait(f"{FOUND} == 1")
    assert "passage 3" in page.value(HITS)[0]
    assert "rain" in link.partition("#")[2], "the question is in the fragment"
    page.value("document.querySelector('#where').value = 'nothing'")
    asked(page, "rain")
    page.wait("document.querySelector('#trouble').innerText.includes('filter: nothing is not a condition')")
    assert page.value("document.querySelector('#results').hidden"), "no hits of another question"
    page.problems.clear()  # the browser's line on the status 400


@pytest.mark.parametrize("way", ["hold", "press twice", "hold a key"])
def test_a_spoken_question_finds_the_second_of_its_tone(page: Page, way: str) -> None:
    if way == "hold":
        page.click("#mic", hold_s=1.2)
    elif way == "hold a key":
        page.value("document.querySelector('#mic').focus()")
        page.press(" ", hold_s=1.2)
    else:
        page.click("#mic")
        page.wait("document.body.classList.contains('recording')")
        page.wait("Number(getComputedStyle(mic).getPropertyValue('--level')) > .3")
        time.sleep(1.0)
        page.click("#mic")
    page.wait(FOUND)
    assert "Spoken question" in page.value("document.querySelector('#chip').innerText")
    assert any("0:02 – 0:03" in hit for hit in page.value(HITS)[:2])
    assert page.value("spoken.blob.arrayBuffer().then(one => new DataView(one).getUint32(24, true))") == SAMPLE_RATE
    assert page.value("recorder") is None
    assert page.value("location.hash") == "", "a recording has no link"


PLAYED = """
(async () => {
  const context = new AudioContext(), analyser = context.createAnalyser();
  analyser.fftSize = 1024; analyser.smoothingTimeConstant = 0;
  const spectrum = new Float32Array(512), seen = [];
  context.createMediaElementSource(audio).connect(analyser);
  analyser.connect(context.destination);
  while (!audio.ended && audio.getAttribute("src")) {
    analyser.getFloatFrequencyData(spectrum);
    const best = spectrum.indexOf(Math.max(...spectrum));
    if (spectrum[best] > -50) seen.push([audio.currentTime, best * context.sampleRate / 1024]);
    await new Promise(done => setTimeout(done, 5));
  }
  return seen;
})()
"""
DECODED = """
(async () => {
  const bytes = await (await fetch(audio.src)).arrayBuffer();
  const sound = await new OfflineAudioContext(1, 1, 16000).decodeAudioData(bytes);
  return [...sound.getChannelData(0)].map(one => Math.round(one * 1000) / 1000);
})()
"""


def test_a_hit_plays_from_its_second(page: Page) -> None:
    """Row 2 is second 2.0 to 3.5: half a second of tone 2, half of silence, half of tone 3."""
    asked(page, "the river")
    page.click("label[for=speech]")
    page.wait(f"{FOUND} == 4")
    page.wait("document.querySelector('.wave path').getAttribute('d').length > 100")
    assert "0:02 – 0:03" in page.value(HITS)[0]
    page.click(".play")
    seen = page.value(PLAYED)
    assert seen[0][0] < 0.3, "it begins with the tone; on a busy machine one looks late"
    assert np.median([hz for _, hz in seen[:10]]) == pytest.approx(TONES_HZ[2], abs=50)
    _, ends, begins = max((later - sooner, sooner, later) for (sooner, _), (later, _) in pairwise(seen))
    assert abs(ends - 0.5) < 0.15
    assert abs(begins - 1.0) < 0.15
    page.click(".play")
    page.wait("!audio.paused")
    samples = np.array(page.value(DECODED))
    loud = np.flatnonzero(np.abs(samples) > 0.1) / SAMPLE_RATE
    assert loud[0] < 0.02
    silence = np.flatnonzero(np.diff(loud) > 0.1)
    assert loud[silence] == pytest.approx([0.5], abs=0.02)
    assert loud[silence + 1] == pytest.approx([1.0], abs=0.02)
    assert tone_of(samples[:8_000].astype(np.float32)) == 2


def test_with_the_keyboard_alone(page: Page) -> None:
    """From the question by Tab to the first hit: it plays, its position moves, similar ones are asked for."""
    asked(page, "river")
    reached = []
    for _ in range(20):
        page.press("Tab")
        reached.append(page.value("document.activeElement.getAttribute('aria-label') || document.activeElement.id"))
        assert page.value("document.activeElement.matches(':focus-visible')")
        if str(reached[-1]).startswith("Play"):
            break
    assert reached[:3] == ["Search", "Speak a question", "any"]
    assert reached[-1].startswith("Play 0, 0:0")
    page.press("Enter")
    page.wait("document.querySelector('.playing')")
    page.press(" ")
    page.wait("audio.paused")
    page.press("Tab")
    assert page.value("document.activeElement.getAttribute('aria-label')") == "Position in the recording"
    before = page.value("audio.currentTime")
    page.press("ArrowRight")
    assert page.value("audio.currentTime") == pytest.approx(before + 0.5, abs=0.1)
    page.press("Tab")
    page.press("Tab")
    page.press("Enter")
    page.wait("document.activeElement.id == 'heading'")
    assert page.value("document.querySelector('#chip').innerText").startswith("Similar to: 0, 0:0")


@pytest.mark.parametrize("size", [(320, 640), PHONE, DESKTOP], ids=["small", "phone", "desktop"])
def test_it_fits_its_screen_in_light_and_dark(page: Page, size: tuple[int, int]) -> None:
    shades = []
    for dark in (False, True):
        page.look(size, dark)
        for text in ("river", "road " * 60):
            asked(page, text)
            page.value("document.querySelector('#own').open = document.querySelector('#why').open = true")
            assert page.value("document.documentElement.scrollWidth <= innerWidth"), "nothing scrolls sideways"
            assert page.value("innerWidth") == size[0]
        shown = (
            "[...document.querySelectorAll('button, select, summary, label[for], #q')].filter(one => one.offsetParent"
        )
        low = page.value(f"{shown} && !one.matches('.hidden') && one.offsetHeight < 40).map(one => one.outerHTML)")
        assert not low, "a finger needs 40 px"
        shades.append(page.value("getComputedStyle(document.body).backgroundColor"))
    light, shade = (sum(json.loads(one.replace("rgb(", "[").replace(")", "]"))) for one in shades)
    assert light > 600 > 150 > shade


def test_it_speaks_three_languages(page: Page) -> None:
    english, french, wolof = (set(page.value(f"Object.keys(WORDS.{one})")) for one in ("en", "fr", "wo"))
    assert english == french
    assert wolof < english
    used = page.value("[...document.querySelectorAll('[data-t]')].map(one => one.dataset.t)")
    assert set(used) <= english
    blanks = "Object.values(WORDS.{}).map(one => (one.match(/[{{]\\w+[}}]/g) || []).sort().join())"
    assert page.value(blanks.format("en")) == page.value(blanks.format("fr"))
    asked(page, "rain")
    for tongue, words in (("fr", "8 résultats"), ("wo", "8 tontu")):
        page.value(
            f"(() => {{ const one = document.querySelector('#tongue'); one.value = '{tongue}';"
            " one.dispatchEvent(new Event('change', {bubbles: true})); })()"
        )
        assert page.value("document.querySelector('#heading').textContent") == words
        assert page.value("document.documentElement.lang") == tongue
    assert "not reviewed" in page.value("document.querySelector('footer').innerText")


def test_a_token_is_asked_for_and_kept_in_this_tab(page: Page, address: str, service: Service) -> None:
    service.tokens = Tokens.parse(json.dumps({TOKEN: []}))
    try:
        page.open(address)
        for given in ("a-wrong-token-of-nobody", TOKEN):
            page.wait("document.querySelector('#login').open && !document.querySelector('#token').value")
            page.wait("document.activeElement.id == 'token'")
            page.type(given)
            page.press("Enter")
        page.wait("state")
        hits = asked(page, "road")
        assert len(hits) == 8
        page.click(".play")  # an element sends no token: its sound is fetched for it
        page.wait("document.querySelector('.playing') && audio.src.startsWith('blob:')")
        assert page.value("sessionStorage.getItem('deglu.token')") == TOKEN
        assert page.value("localStorage.length") == 0
    finally:
        service.tokens = Tokens()
        page.value("token = '', sessionStorage.clear()")
    assert all("401" in one for one in page.problems)
    page.problems.clear()


def test_what_fails_is_said_plainly(page: Page, address: str, service: Service, recording: Path) -> None:
    holding = service.holdings.first
    away = recording.rename(recording.with_suffix(".away"))
    try:
        holding.recordings._kept.clear()
        assert len(asked(page, "rain")) == 8, "answers still come"
        page.click(".play")
        page.wait("document.querySelector('.note:not([hidden])')?.textContent.includes('The hit is still right')")
        page.wait("current === null")  # the waveform fails too, and may be the first
    finally:
        away.rename(recording)
    page.click(".play")
    page.wait("document.querySelector('.playing') && document.querySelector('.player + .note').hidden")

    service.rates = Rates(1.0, 1)
    page.value("stop()")
    service.rates.wait_s("127.0.0.1")
    page.press("/")
    page.type("river")
    page.press("Enter")
    page.wait("document.querySelector('#trouble').innerText.includes('Too many requests. Asking again in 1 s')")
    page.wait(
        "document.querySelector('#trouble').hidden && document.querySelector('#hits').innerText.includes('passage 2')"
    )
    service.rates = Rates(0, 0)

    service.sounds, sounds = None, service.sounds
    try:
        page.open(address)
        page.wait("document.querySelector('#hint').textContent == 'This service answers typed questions only.'")
        assert page.value("document.querySelector('#mic').hidden && document.querySelector('#pick').hidden")
        assert "± 5 s" not in "".join(asked(page, "rain"))
    finally:
        service.sounds = sounds
    assert {one.split("status of ")[1][:3] for one in page.problems} == {"503", "429"}
    page.problems.clear()
