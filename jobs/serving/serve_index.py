"""`deglu serve`: opens the indexes, loads the encoder once, and answers over HTTP until it is stopped."""

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

import uvicorn

from embed.audio import clips
from embed.encoder import FloatArray
from embed.errors import SpecError
from embed.model.handle import ModelHandle, resolve_model
from embed.model.weights import Model, load_model
from index.ask.searcher import Index, check_space, open_index
from index.parts.artifact import read_manifest
from index.serve.access import Tokens
from index.serve.app import make_app
from index.serve.gathering import Gatherer
from index.serve.holdings import Holdings
from index.serve.recordings import Sound, Stretch
from index.serve.service import Service
from index.serve.settings import Settings
from jobs.asking.query_index import DEFAULT_MODEL
from jobs.command.progress import Progress, Silent

TOKENS = "DEGLU_TOKENS"
GRACE_S = 10  # for requests that have begun, at the end
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]", "::1")


@dataclass(frozen=True)
class Address:
    """Where the service listens, and the names that it answers to."""

    host: str = "127.0.0.1"
    port: int = 8_080
    public: bool = False  # every name, and no token is required

    @property
    def is_loopback(self) -> bool:
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def names(self) -> tuple[str, ...]:
        return LOOPBACK_NAMES if self.is_loopback else ("*",)


@dataclass(frozen=True)
class RealSounds:
    """Reads recordings with the project's own decoder; `index.serve.recordings.Sounds`."""

    longest_s: float

    def clip(self, stretch: Stretch, kind: Sound) -> bytes:
        return clips.clip(stretch.url, stretch.start_s, stretch.end_s, kind, stretch.tracks)

    def peaks(self, stretch: Stretch, count: int) -> Sequence[float]:
        return clips.peaks(stretch.url, stretch.start_s, stretch.end_s, count, stretch.tracks)

    def question(self, data: bytes) -> FloatArray:
        return clips.uploaded_question(data, self.longest_s)


def serve(
    indexes: Sequence[str],
    address: Address | None = None,
    model: str | None = None,
    settings: Settings | None = None,
    audit: float = 0.0,
    progress: Progress | None = None,
) -> int:
    """Answer until SIGINT or SIGTERM.

    Tokens are read from the environment variable DEGLU_TOKENS.  Raises SpecError for an address that others reach
    without tokens, or a port that is taken; FingerprintMismatch where an index is of another space than the model.
    """
    address, progress = address or Address(), progress or Silent()
    tokens = Tokens.parse(os.environ.get(TOKENS))
    if not (address.is_loopback or tokens or address.public):
        raise SpecError(
            f"--host {address.host} can be reached from other machines: set {TOKENS} to"
            ' {"TOKEN": ["group", ...]}, or give --public to answer everybody'
        )
    with _listener(address) as listener:
        service = make_service(indexes, model, settings, audit, tokens)
        config = uvicorn.Config(
            make_app(service, address.names),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
        )
        host = f"[{address.host}]" if ":" in address.host else address.host
        names = ", ".join(f"{name} (version {held.version})" for name, held in service.holdings.all.items())
        progress.note(f"{names} at http://{host}:{listener.getsockname()[1]}/ - stop with Ctrl-C")
        server = uvicorn.Server(config)
        try:
            server.run([listener])
        except (KeyboardInterrupt, SystemExit):  # raised again by uvicorn, after its own end
            if not server.should_exit:
                raise
    return 0


def make_service(
    indexes: Sequence[str],
    model: str | None = None,
    settings: Settings | None = None,
    audit: float = 0.0,
    tokens: Tokens | None = None,
) -> Service:
    """The service over real indexes and the model that embedded them, or the one that is named."""
    settings = settings or Settings()
    manifests = [read_manifest(url.rstrip("/")) for url in indexes]
    name = model or str(manifests[0].lineage.settings.get("model") or DEFAULT_MODEL)
    handle = resolve_model(name)
    for url, manifest in zip(indexes, manifests, strict=True):
        check_space(url, manifest, handle.fingerprints.space, name)

    def opened(url: str) -> Index:
        return open_index(url, handle.fingerprints.space, audit=audit)

    encoder = _loaded(handle)
    sounds = None if encoder.longest_s is None else RealSounds(encoder.longest_s)
    holdings = Holdings(indexes, opened, sounds)
    return Service(name, holdings, Gatherer(encoder, settings.most_waiting), sounds, settings, tokens or Tokens())


def _loaded(handle: ModelHandle) -> Model:
    encoder = load_model(handle, speech=handle.speaks)
    encoder.encode(["warm"], "query")
    return encoder


def _listener(address: Address) -> socket.socket:
    """A bound socket: a port that is taken is reported before weights are loaded."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address.host, address.port))
        listener.listen(128)  # who asks while weights are loaded waits
    except (OSError, OverflowError) as error:
        listener.close()
        raise SpecError(
            f"--host {address.host} --port {address.port}: {error}; give another port, or 0 for any"
        ) from None
    return listener
