import logging
import re
import socket
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from embed.errors import InputError, RefusedContent, SpecError, UnreadableFile
from embed.storage import store
from embed.storage.http import whole_files
from embed.storage.http.addresses import is_public
from tests.web_server import Page, WebServer, web_server

DATA = np.random.default_rng(0).bytes(3_000_000)


@pytest.fixture(scope="module")
def shared() -> Iterator[WebServer]:
    with web_server() as site:
        yield site


@pytest.fixture
def web(shared: WebServer, monkeypatch: pytest.MonkeyPatch) -> WebServer:
    """With a patience that ends after half a second."""
    monkeypatch.setenv("DEGLU_STORAGE_PATIENCE_S", "0.5")
    shared.pages.clear()
    shared.asked.clear()
    return shared


def read(web: WebServer, path: str) -> bytes:
    with store.open_input(store.allowing_private(web.url(path))) as stream:
        return stream.read()


def failure(web: WebServer, path: str) -> str:
    with pytest.raises((InputError, UnreadableFile)) as caught:
        read(web, path)
    return str(caught.value)


def test_a_file_is_read_by_ranges_and_has_its_etag_as_version(web: WebServer) -> None:
    web.pages["/a.wav"] = Page(DATA, "audio/x-wav; charset=none", '"v1"')
    (entry,) = store.inputs(store.allowing_private(web.url("/a.wav")))
    assert (entry.size_bytes, entry.etag, entry.media_type) == (len(DATA), "v1", "audio/x-wav")
    assert web.asked == [("/a.wav", "bytes=0-0")]
    with store.open_input(entry.url) as stream:
        stream.seek(2_000_000)
        assert stream.read(100) == DATA[2_000_000:2_000_100]
        stream.seek(0)
        assert stream.read() == DATA
    ranges = [tuple(map(int, re.findall(r"\d+", asked))) for _, asked in web.asked]
    assert max(last - first for first, last in ranges) <= 8 << 20
    assert len(ranges) < 12


@pytest.mark.parametrize(
    ("page", "version"),
    [
        (Page(DATA, etag='W/"v2"'), "W/v2"),
        (Page(DATA, etag=None, modified="Mon, 30 Nov 2026 10:00:00 GMT"), f"Mon, 30 Nov 2026 10:00:00 GMT {len(DATA)}"),
        (Page(DATA, etag=None), str(len(DATA))),
        (Page(DATA, etag="v3", ranges=False), "v3"),
        (Page(DATA, etag=None, ranges=False, chunked=True), str(len(DATA))),
        (Page(b""), "0"),
    ],
    ids=["weak etag", "time", "size alone", "no ranges", "no length", "empty"],
)
def test_servers_with_other_manners(web: WebServer, page: Page, version: str) -> None:
    web.pages["/a"] = page
    (entry,) = store.inputs(store.allowing_private(web.url("/a")))
    assert (entry.size_bytes, entry.etag) == (len(page.data), version)
    assert read(web, "/a") == page.data


def test_a_file_without_ranges_is_read_once_for_several_readers(web: WebServer, monkeypatch: Any) -> None:
    web.pages["/a"] = Page(DATA, ranges=False)
    first = store.open_input(store.allowing_private(web.url("/a")))
    second = store.open_input(store.allowing_private(web.url("/a")))
    first.seek(1_000_000)
    assert second.read(10) == DATA[:10]
    assert first.read(10) == DATA[1_000_000:1_000_010]
    first.close()
    second.close()
    monkeypatch.setattr(whole_files, "MOST_BYTES", 1_000_000)
    web.pages["/b"] = Page(DATA, ranges=False)
    with pytest.raises(RefusedContent, match="from a server that gives no ranges"):
        read(web, "/b")


def test_a_passing_failure_is_waited_for_and_a_lasting_one_is_of_one_file(
    web: WebServer, caplog: pytest.LogCaptureFixture
) -> None:
    web.pages["/soon"] = Page(DATA, fails=2)
    web.pages["/busy"] = Page(DATA, fails=1, status=429)
    assert read(web, "/soon") == DATA
    assert read(web, "/busy") == DATA
    web.pages["/never"] = Page(DATA, fails=10_000)
    web.pages["/cut"] = Page(DATA, cut=True)
    web.pages["/good"] = Page(DATA)
    with caplog.at_level(logging.WARNING):
        assert "its server answered 500 each time; run `deglu retry SPEC`" in failure(web, "/never")
    asked = web.times("/never")
    assert "its server closed the connection during an answer each time" in failure(web, "/cut")
    assert web.times("/cut") == 1 < asked  # after one file has failed for so long, others do not wait
    assert read(web, "/good") == DATA


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (None, "no such file (404); check the address"),
        (Page(fails=9, status=410), "no such file (410)"),
        (Page(fails=9, status=403), "refuses access (403)"),
        (Page(fails=9, status=418), "answered 418"),
        (Page(location="/a"), "its redirects form a circle"),
        (Page(location="/b"), "its redirects form a circle"),
        (Page(location="/far/0"), "more than 10 redirects"),
        (Page(location="ftp://127.0.0.1/a"), "not http or https"),
        (Page(location="http://no-such-host.invalid/a"), "there is no host no-such-host.invalid"),
        (Page(location="http://:a@:0/"), "no web server can have this address"),
    ],
)
def test_lasting_failures_are_known_at_once(web: WebServer, page: Page | None, reason: str) -> None:
    web.pages |= {"/b": Page(location="/a")}
    web.pages |= {f"/far/{number}": Page(location=f"/far/{number + 1}") for number in range(20)}
    if page:
        web.pages["/a"] = page
    assert reason in failure(web, "/a")


def test_redirects_are_followed_once_for_a_file_and_again_when_their_end_is_gone(
    web: WebServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signed addresses, as of a store behind a host of podcasts, are in no message and no log."""
    web.pages["/a"] = Page(location="/b?sig=first-secret")
    web.pages["/b?sig=first-secret"] = Page(DATA)
    with store.open_input(store.allowing_private(web.url("/a"))) as stream:
        assert stream.read(500_000) == DATA[:500_000]
        assert web.times("/a") == 1
        web.pages["/c?sig=second-secret"] = web.pages.pop("/b?sig=first-secret")
        web.pages["/a"] = Page(location="/c?sig=second-secret")
        assert stream.read() == DATA[500_000:]
    assert web.times("/a") == 2
    web.pages["/c?sig=second-secret"] = Page(fails=10_000)
    monkeypatch.setenv("DEGLU_STORAGE_PATIENCE_S", "2.5")
    with caplog.at_level(logging.INFO):
        assert "its server answered 500 each time" in failure(web, "/a")
    assert "/a: its server answered 500; trying again" in caplog.text
    assert "secret" not in caplog.text + failure(web, "/a")


def test_a_replaced_file_is_never_read_half_and_half(web: WebServer) -> None:
    web.pages["/a"] = Page(DATA)
    with store.open_input(store.allowing_private(web.url("/a"))) as stream:
        stream.read(1)
        web.pages["/a"] = Page(DATA[::-1], etag='"two"')
        with pytest.raises(InputError, match="was replaced while it was read; run again"):
            stream.read()


def test_private_addresses_are_refused_at_the_connection(web: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the name is, and also where its first answer is a public address."""
    web.pages["/a"] = Page(DATA)
    names = ("127.0.0.1", "localhost", "2130706433", "[::1]", "[::ffff:127.0.0.1]")
    for url in (f"http://{name}:{web.port}/a" for name in names):
        with pytest.raises(UnreadableFile, match="is an address of this machine or of a private network"):
            store.open_input(url)
    known, answers = socket.getaddrinfo, iter(["93.184.216.34", "127.0.0.1"])
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **more: known(next(answers), *rest, **more))
    assert is_public(str(socket.getaddrinfo("rebound.example", web.port)[0][4][0]))  # as a check in advance finds it
    with pytest.raises(UnreadableFile, match="private network"):
        store.open_input(f"http://rebound.example:{web.port}/a")
    assert not web.asked


def test_a_redirect_to_a_private_address_is_refused(web: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a host that is taken for a public one here: this machine has no other."""
    web.pages["/a"] = Page(location=f"http://localhost:{web.port}/b")
    web.pages["/b"] = Page(DATA)
    public = "127.0.0.1"
    monkeypatch.setattr("embed.storage.http.addresses.is_public", lambda address: public == address)
    monkeypatch.setattr(socket, "getaddrinfo", _localhost_as("127.0.0.2"))
    with pytest.raises(UnreadableFile, match=rf"/a: localhost:{web.port} is an address of this machine"):
        store.open_input(web.url("/a"))
    assert [path for path, _ in web.asked] == ["/a"]


def _localhost_as(address: str) -> Any:
    known = socket.getaddrinfo
    return lambda host, *rest, **more: known(address if host == "localhost" else host, *rest, **more)


def test_public_and_private_addresses() -> None:
    private = (
        "10.0.0.1 127.0.0.1 169.254.169.254 100.64.0.1 0.0.0.0 192.168.1.1 172.16.0.1 255.255.255.255 224.0.0.1 ::1"
        " fe80::1%eth0 fd00::1 ::ffff:10.0.0.1 64:ff9b::7f00:1 2002:7f00:1:: ff02::1"
    )
    assert not [one for one in private.split() if is_public(one)]
    assert all(is_public(one) for one in ("8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://user:hunter2@x.example/a.mp3", "must contain no keys"),
        ("https://x.example/a.mp3?token=hunter2", "must contain no keys"),
        ("http:///a.mp3", "the host is missing"),
        ("http://[::1/a.mp3", "the host is missing"),
        ("http+private://127.0.0.1/a.mp3", "write it without +private"),
        ("ftp://x.example/a.mp3", "neither a local path nor s3://bucket/path nor https://host/path"),
    ],
)
def test_addresses_that_are_refused_before_any_request(url: str, reason: str) -> None:
    with pytest.raises(SpecError) as caught:
        store.absolute(url)
    assert reason in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_the_web_is_only_read(web: WebServer) -> None:
    for act in (store.listing, store.exists, lambda url: store.write_bytes(url, b"")):
        with pytest.raises(SpecError, match="neither a local path nor s3://bucket/path; give one of these"):
            act(web.url("/a"))


@pytest.mark.parametrize(
    ("base", "link", "url"),
    [
        ("/radio/feed.rss", "a%20b.mp3", "/radio/a b.mp3"),
        ("/radio/feed.rss", "../a.mp3", "/a.mp3"),
        ("s3://bucket/radio/feed.rss", "a.mp3", "s3://bucket/radio/a.mp3"),
        ("/radio/feed.rss", " https://x.example/a.mp3#t=3 ", "https://x.example/a.mp3"),
        ("http+private://x.example/radio/feed", "/a.mp3?x=1", "http://x.example/a.mp3?x=1"),
        ("https://x.example/radio/feed", "//y.example/a.mp3", "https://y.example/a.mp3"),
        ("https://x.example/radio/feed", "file:///etc/passwd", None),
        ("/radio/feed.rss", "file:///etc/passwd", None),
        ("/radio/feed.rss", "s3://bucket/a.mp3", None),
        ("/radio/feed.rss", "http+private://127.0.0.1/a.mp3", None),
        ("/radio/feed.rss", "https://user:hunter2@x.example/a.mp3", None),
    ],
)
def test_links_of_a_document(base: str, link: str, url: str | None) -> None:
    if url is None:
        with pytest.raises(ValueError, match=r"neither|no keys"):
            store.linked(base, link)
    else:
        assert store.linked(base, link) == url
