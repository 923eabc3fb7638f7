"""What the tests of all rooms share: one real S3 server, one Ray session, and what skips and warnings mean here."""

import gc
import os
import secrets
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from evaluate.bench.s3_server import KEY, SECRET, S3Server
from tests.fault_proxy import FaultProxy, by_seed

if TYPE_CHECKING:
    from tests.chaos_cluster import Nodes, Place

# Warnings of others that we cannot cure; ours stay errors.  Each with the day it was last seen.
THIRD_PARTY_WARNINGS = [
    # 2026-11-22 ray 2.60: DataContext warns of `use_push_based_shuffle`, which it sets itself
    r"ignore:.*:DeprecationWarning:ray\.",
]

# Fixtures that start a server or Ray, and the marks of all tests that ask for them.
MARKED_BY_FIXTURE = {"ray_session": "ray", "s3_server": "s3", "own_s3": "s3", "head": "cluster", "chaos_place": "s3"}
SHARES = "each"  # how xdist calls the scheduler under which each process runs what it has collected
STORE_TESTS = "tests/embed/storage/"
MEMORY_DISK, ROOM_BYTES = Path("/dev/shm"), 8 << 30


def _write_to_memory() -> None:
    """Temporary folders on the memory disk where it has room: what is published is synced, and disks are slow."""
    if MEMORY_DISK.is_dir() and shutil.disk_usage(MEMORY_DISK).free > ROOM_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY_DISK))


def _use_one_thread() -> None:
    """Of each process, before any of them loads torch or faiss: `-n` is the parallelism.

    Models here are tiny.  Two threads share an operation of microseconds by spinning, and where other programs have
    the cores as well, most of the time is spent so: a test of a tiny Whisper took 104 s with two threads, 8 s with one.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def _collect_garbage_seldom() -> None:
    """Libraries load some hundred thousand objects that stay: a search every 700 takes a sixth of the time."""
    gc.set_threshold(100_000)


def pytest_configure(config: pytest.Config) -> None:
    _write_to_memory()
    _use_one_thread()
    _collect_garbage_seldom()
    for line in THIRD_PARTY_WARNINGS:
        config.addinivalue_line("filterwarnings", line)


@pytest.hookimpl(tryfirst=True)  # before `-m` selects by marks
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Marks that follow from what a test asks for: `ray`, `s3`, and `campaign` for the S3 variants that repeat.

    A test with `storage_url` runs on the local disk and on S3.  What differs is the store, whose own tests
    (tests/embed/storage) always run on both; of any other module the first test does, the rest in the campaign.
    """
    shown: set[str] = set()
    for item in items:
        fixtures: list[str] = getattr(item, "fixturenames", [])
        for fixture, mark in MARKED_BY_FIXTURE.items():
            if fixture in fixtures:
                item.add_marker(mark)
        if _is_s3_variant(item):
            module = item.nodeid.partition("::")[0]
            if module in shown and not module.startswith(STORE_TESTS):
                item.add_marker("campaign")
            shown.add(module)
    if hasattr(session.config, "workerinput"):
        from tests.scheduler import in_order

        items[:] = in_order(items)


def pytest_collection_finish() -> None:
    """What is imported by now is never garbage."""
    gc.freeze()


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_configure_node(node: Any) -> None:
    node.workerinput["shares"] = node.config.getoption("dist") == SHARES


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Of the quick tests, what the other process collects; see tests/scheduler.py."""
    worker: dict[str, Any] = getattr(config, "workerinput", {})
    if not worker.get("shares") or not collection_path.is_file():
        return None
    from tests.scheduler import share_of

    module = collection_path.relative_to(config.rootpath).as_posix()
    return None if share_of(module) == worker["workerid"] else True


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """For `-n 2`; see tests/scheduler.py."""
    from tests.scheduler import Workers

    return None if config.getoption("dist") == SHARES else Workers(config, log)


def _is_s3_variant(item: pytest.Item) -> bool:
    """Whether the fixture made this S3 case; not where the test itself wants S3 alone."""
    chosen = any("storage_url" in str(mark.args[:1]) for mark in item.iter_markers("parametrize"))
    call = getattr(item, "callspec", None)
    return not chosen and call is not None and call.params.get("storage_url") == "s3"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """DEGLU_REQUIRE_DATA=1: a test marked `data` that skips has failed, unless it is a GPU that is missing."""
    report = yield
    wanted = item.get_closest_marker("data") and not item.get_closest_marker("gpu")
    if os.environ.get("DEGLU_REQUIRE_DATA") == "1" and wanted and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"DEGLU_REQUIRE_DATA=1, but {item.nodeid} skips: {call.excinfo and call.excinfo.value}"
    return report


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real S3 server with the bucket `test`; the AWS_* variables point to it.  Yields its endpoint."""
    folder = tmp_path_factory.mktemp("s3")
    with S3Server(folder) as server, pytest.MonkeyPatch.context() as patch:
        point_to(server.endpoint, patch)
        yield server.endpoint


@pytest.fixture
def own_s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["S3Server"]:
    """A real S3 server of the test's own, to be killed and started again; the AWS_* variables point to it."""
    (tmp_path / "own-s3").mkdir()
    with S3Server(tmp_path / "own-s3") as server:
        point_to(server.endpoint, monkeypatch)
        yield server


@pytest.fixture
def faulty_s3(s3_server: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    """A bad network before the session's S3 server: a fifth of all requests is spoilt (see tests/fault_proxy.py)."""
    with FaultProxy(s3_server, by_seed(getattr(request, "param", 0))) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        yield proxy


@pytest.fixture(scope="session")
def s3_url(s3_server: str) -> str:
    """A prefix of the session's own, `s3://test/<unique>`; ask for `s3_server` to know the endpoint."""
    return f"s3://test/{secrets.token_hex(6)}"


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.s3)])
def storage_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty place of this test's own, on the local disk and on S3 (see `pytest_collection_modifyitems`)."""
    if request.param == "local":
        return str(tmp_path / "out")
    return f"{request.getfixturevalue('s3_url')}/{secrets.token_hex(6)}"


@pytest.fixture(scope="session")
def ray_session(s3_server: str) -> Iterator[None]:
    """The run's one Ray: two CPUs, its own folder and token; joins no other cluster of this machine.

    Its workers keep the environment they were born in, so the S3 server must be there before.  Started by the
    product's own door: Ray caches its first token for good, so a second way to make one would clash.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        patch.setenv("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.2")  # Each report of a training waits for one.
        patch.setenv("RAY_worker_niceness", "0")  # else they wait for the tests of the other processes
        # Nobody looks at the load of the machine, and no line of a worker is shown: each took seconds of a core.
        patch.setenv("REPORTER_UPDATE_INTERVAL_MS", "60000")
        from jobs.cluster.ray_session import ray_session as session

        patch.setattr("ray._private.node.Node.start_log_monitor", lambda node: None)
        with session(2):
            yield


@pytest.fixture(scope="session")
def chaos_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Place"]:
    """What all tests that kill share: an S3 server and a proxy before it, and prompts to train on."""
    from tests.chaos_cluster import Place
    from tests.train.lesson import write_prompts  # torch

    folder = tmp_path_factory.mktemp("chaos")
    with S3Server(folder) as server, FaultProxy(server.endpoint, lambda asked: None) as proxy:
        found = Place(server, proxy, folder)
        write_prompts(found.cache, 40)
        yield found


@pytest.fixture(scope="session")
def head(chaos_place: "Place") -> Iterator["Nodes"]:
    """A Ray cluster without nodes, for `chaos_cluster.added`; its processes use that S3 server, and the prompts."""
    from tests.chaos_cluster import nodes

    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            _go_to(chaos_place, patch)
            cluster = stack.enter_context(nodes(chaos_place.folder, 0))
        yield cluster


@pytest.fixture(scope="module")
def place(chaos_place: "Place") -> Iterator["Place"]:
    """The place, and this process uses its S3 server and its prompts, as the cluster does."""
    with pytest.MonkeyPatch.context() as patch:
        _go_to(chaos_place, patch)
        yield chaos_place


def _go_to(place: "Place", patch: pytest.MonkeyPatch) -> None:
    point_to(place.proxy.endpoint, patch)
    patch.setenv("DEGLU_CACHE", str(place.cache))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """The folder of a small random checkpoint by architecture: qwen3, bert, hubert, whisper."""
    from tests.towers import towers_in  # torch and transformers: only for the tests that need them

    return towers_in(tmp_path_factory.mktemp("towers"))


@pytest.fixture(scope="session")
def tiny_model(tiny: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model directory for speech and text, tiny and random: BERT, Whisper, a fusion."""
    from tests.towers import encoder_values, model_in

    return model_in(tmp_path_factory.mktemp("model") / "tiny", encoder_values(tiny))


def point_to(endpoint: str, patch: pytest.MonkeyPatch) -> None:
    """Nothing but this server and its keys in the AWS_* variables, which child processes inherit."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        patch.delenv(name)
    patch.setenv("AWS_ENDPOINT_URL", endpoint)
    patch.setenv("AWS_ACCESS_KEY_ID", KEY)
    patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    patch.setenv("AWS_REGION", "us-east-1")
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@contextmanager
def running_s3(folder: Path) -> Iterator[str]:
    """SeaweedFS on free ports of the loopback, with its data in `folder`; killed at the end.  Yields its endpoint."""
    with S3Server(folder) as server:
        yield server.endpoint
