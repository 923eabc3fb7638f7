"""Open files that a worker keeps between two units of a file, so that the second continues where the first stopped."""

import atexit
from collections.abc import Hashable
from threading import Lock
from typing import Generic, Protocol, TypeVar


class Closing(Protocol):
    def close(self) -> object: ...


T = TypeVar("T", bound=Closing)


class OpenFiles(Generic[T]):
    """A few open files by key; one that is taken belongs to the caller until it is kept again."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._things: dict[Hashable, T] = {}
        self._lock = Lock()
        atexit.register(self.close)  # else the interpreter warns of files that nobody has closed

    def take(self, key: Hashable) -> T | None:
        with self._lock:
            return self._things.pop(key, None)

    def keep(self, key: Hashable, thing: T) -> None:
        """Keep it; the oldest one over the limit is closed."""
        with self._lock:
            gone = [self._things.pop(key)] if key in self._things else []
            self._things[key] = thing
            while len(self._things) > self._most:
                gone.append(self._things.pop(next(iter(self._things))))
        for one in gone:
            one.close()

    def close(self) -> None:
        """Close what is kept."""
        with self._lock:
            gone = list(self._things.values())
            self._things.clear()
        for one in gone:
            one.close()
