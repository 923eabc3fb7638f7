"""Storage on a bad network, and when its server dies: nothing lost, nothing twice; what cannot pass fails at once."""

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

from embed.audio.decode import decode
from embed.errors import InputError, StorageError, UnreadableFile
from embed.storage import store
from embed.storage.retry import Patience
from embed.storage.s3 import S3Files
from evaluate.bench.s3_server import S3Server
from tests.fault_proxy import Asked, Fault, FaultProxy

pytestmark = pytest.mark.s3

ONE_TRY = Patience(total_s=0)
BRISK = Patience(longest_pause_s=0.3, warn_after_s=0.5)


def once(fault: Fault, method: str = "") -> Callable[[Asked], Fault | None]:
    """The fault for the first request of its kind, no other."""
    return lambda asked: fault if asked.time == 0 and method in asked.method else None


def contents(number: int) -> bytes:
    return f"{number} ".encode() * 500


def test_hundreds_of_objects_survive_a_bad_network(faulty_s3: FaultProxy, s3_url: str) -> None:
    folder = store.join(s3_url, "many")
    urls = [store.join(folder, f"{number % 7}", f"{number:03}") for number in range(150)]
    store.each(lambda number: store.write_bytes(urls[number], contents(number)), range(150))
    assert list(store.in_turn(store.read_bytes, urls)) == [contents(number) for number in range(150)]
    assert [entry.url for entry in store.listing(folder)] == sorted(urls)
    assert store.each(store.exists, [*urls, store.join(folder, "none")]) == [True] * 150 + [False]
    store.delete(urls[::2])
    assert [entry.url for entry in store.listing(folder)] == sorted(urls[1::2])
    assert faulty_s3.spoilt() > 50
    assert set(faulty_s3.dealt) >= set(Fault) - {Fault.FALSE_412}


@pytest.mark.parametrize("faulty_s3", [1, 2], indirect=True)
def test_a_race_on_a_bad_network_has_one_winner_who_knows_it(faulty_s3: FaultProxy, s3_url: str) -> None:
    for turn in range(4):
        url = store.join(s3_url, "races", str(id(faulty_s3)), f"{turn}")
        won = store.each(partial(store.create_exclusive, url), [b"%d" % writer for writer in range(4)])
        assert won.count(True) == 1
        assert store.read_bytes(url) == b"%d" % won.index(True)
    assert faulty_s3.spoilt()


@pytest.mark.parametrize("fault", Fault)
def test_a_creation_is_known_to_be_ours_whatever_happens(faulty_s3: FaultProxy, s3_url: str, fault: Fault) -> None:
    faulty_s3.deal = once(fault, "PUT")
    url = store.join(s3_url, "creations", fault.name)
    assert store.create_exclusive(url, contents(1))
    assert not store.create_exclusive(url, contents(2))
    assert store.read_bytes(url) == contents(1)
    assert faulty_s3.dealt[fault] == 1


def test_half_a_body_never_becomes_an_object(faulty_s3: FaultProxy, s3_url: str) -> None:
    url = store.join(s3_url, "half")
    faulty_s3.deal = lambda asked: Fault.CUT_REQUEST if asked.method == "PUT" else None
    for act in (S3Files(ONE_TRY).write, S3Files(ONE_TRY).create):
        with pytest.raises(Exception, match=r"(?i)connection|closed|could not"):
            act(url, contents(1) * 100)
    assert not store.exists(url)


def test_half_an_answer_never_passes_for_data(faulty_s3: FaultProxy, s3_url: str, tmp_path: Path) -> None:
    url = store.join(s3_url, "large")
    data = np.random.default_rng(0).bytes(20_000_000)
    store.write_bytes(url, data)
    faulty_s3.deal = lambda asked: Fault.CUT_ANSWER if asked.method == "GET" and asked.time % 2 == 0 else None
    assert store.read_bytes(url) == data
    assert store.local_copy(url, tmp_path).read_bytes() == data
    with store.open_input(url) as stream:
        assert stream.read() == data
    assert faulty_s3.dealt[Fault.CUT_ANSWER] > 6


def test_a_recording_streams_through_a_bad_network(faulty_s3: FaultProxy, s3_url: str, tmp_path: Path) -> None:
    """20 MB: ten minutes at 16 kHz."""
    noise = np.random.default_rng(0).integers(-(2**14), 2**14, 10_000_000, np.int16)
    soundfile.write(tmp_path / "a.wav", noise, 16_000)
    url = store.join(s3_url, "a.wav")
    with store.scratch(s3_url) as path:
        path.write_bytes((tmp_path / "a.wav").read_bytes())
        store.move_in(path, url)
    faulty_s3.deal = lambda asked: list(Fault)[asked.time % 12] if asked.time % 12 < 6 else None  # every other one
    np.testing.assert_array_equal(decode(url).samples, decode(str(tmp_path / "a.wav")).samples)
    assert faulty_s3.spoilt() > 3


def test_a_replaced_object_is_never_read_half_and_half(s3_url: str) -> None:
    url = store.join(s3_url, "replaced")
    store.write_bytes(url, bytes(1_000_000))
    with store.open_input(url) as stream:
        stream.read(1)
        store.write_bytes(url, bytes([1]) * 1_000_000)
        with pytest.raises(InputError, match="replaced while it was read"):
            stream.read()


def test_an_empty_object_is_an_empty_stream(s3_url: str, tmp_path: Path) -> None:
    url = store.join(s3_url, "empty")
    store.write_bytes(url, b"")
    with store.open_input(url) as stream:
        assert stream.read() == b""
        assert stream.seek(0, 2) == 0
    assert store.local_copy(url, tmp_path).read_bytes() == b""


def test_a_large_listing_is_complete_and_in_order(s3_url: str) -> None:
    folder = store.join(s3_url, "deep", "archive")
    names = [f"{month:02}/{day}" for month in range(4) for day in range(260)] + ["top"]
    store.each(lambda name: store.write_bytes(store.join(folder, name), b""), names)
    above = store.join(s3_url, "deep")
    assert [entry.url for entry in store.listing(above)] == sorted(store.join(folder, name) for name in names)


def test_what_cannot_pass_fails_at_once(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = time.monotonic()
    with pytest.raises(InputError):
        store.read_bytes(store.join(s3_url, "none"))
    with pytest.raises(StorageError, match="no bucket"):
        store.write_bytes("s3://missing/a", b"")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-one")
    with pytest.raises(StorageError, match="refuses the credentials"):
        store.read_bytes(store.join(s3_url, "none"))
    assert time.monotonic() - begun < 30  # of a patience of three minutes; a busy machine takes seconds


def test_one_object_that_cannot_be_read_is_told_from_a_server_that_is_gone(
    faulty_s3: FaultProxy, s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = f"{s3_url}/cold"
    faulty_s3.deal = lambda asked: Fault.CUT_ANSWER if asked.method == "GET" and "lost.txt" in asked.path else None
    faulty_s3.archived.add(f"/{folder.removeprefix('s3://')}/cold.txt")
    for name in ("cold", "good", "lost"):
        store.write_bytes(f"{folder}/{name}.txt", b"The market opens at six.\n")
    monkeypatch.setenv("DEGLU_STORAGE_PATIENCE_S", "0.3")
    cold = "(InvalidObjectState); restore it from the archive class first, then run `deglu retry SPEC`"
    each_time = "closed the connection during an answer each time, for this object alone"
    lost = f"{each_time}; restore it, then run `deglu retry SPEC`"
    for name, reason in (("cold", cold), ("lost", lost)):
        with pytest.raises(UnreadableFile) as caught:
            store.open_input(f"{folder}/{name}.txt")
        assert str(caught.value).startswith(f"{folder}/{name}.txt: ")
        assert str(caught.value).endswith(reason)
    faulty_s3.deal = lambda asked: Fault.RESET
    with pytest.raises(StorageError, match=r"cannot be reached|closing the connection") as caught_all:
        store.open_input(f"{folder}/good.txt")
    assert not isinstance(caught_all.value, UnreadableFile)


@pytest.mark.chaos
def test_a_server_that_is_killed_and_started_again_is_waited_for(
    own_s3: S3Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Objects written before, during and after; the waiting is told once."""
    store.write_bytes("s3://test/before", b"before")
    files = S3Files(BRISK)
    own_s3.kill()
    done: list[int] = []

    def write(number: int) -> None:
        files.write(f"s3://test/during/{number}", b"%d" % number)
        done.append(number)

    writer = threading.Thread(target=store.each, args=(write, range(6)))
    with caplog.at_level(logging.WARNING):
        writer.start()
        time.sleep(1.5)
        assert not done
        own_s3.start()
        writer.join(60)
    assert sorted(done) == list(range(6))
    assert store.read_bytes("s3://test/before") == b"before"
    assert len(store.listing("s3://test/during")) == 6
    waits = [message for message in caplog.messages if message.startswith("waiting for storage")]
    assert len(waits) == 1
    assert f"{own_s3.endpoint} cannot be reached" in waits[0]


@pytest.mark.chaos
def test_a_kill_in_the_midst_of_writing_loses_nothing(own_s3: S3Server) -> None:
    def kill() -> None:
        own_s3.kill()
        own_s3.start()

    killer = threading.Timer(0.3, kill)
    killer.start()
    files = S3Files(BRISK)
    won = store.each(lambda number: files.create(f"s3://test/midst/{number}", b"%d" % number), range(400))
    killer.join()
    assert all(won)
    assert sorted(store.each(store.read_bytes, [f"s3://test/midst/{number}" for number in range(400)])) == sorted(
        b"%d" % number for number in range(400)
    )
