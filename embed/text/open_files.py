"""What a worker keeps between two units of the same file, so that the second goes on where the first stopped."""

from collections.abc import Hashable
from threading import Lock
from typing import Generic, Protocol, TypeVar


class Closing(Protocol):
    def close(self) -> object: ...


T = TypeVar("T", bound=Closing)


class Held(Generic[T]):
    """A few things by key; one that is taken is nobody else's until it is kept again."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._things: dict[Hashable, T] = {}
        self._lock = Lock()

    def take(self, key: Hashable) -> T | None:
        with self._lock:
            return self._things.pop(key, None)

    def keep(self, key: Hashable, thing: T) -> None:
        """The oldest of too many is closed."""
        with self._lock:
            gone = [self._things.pop(key)] if key in self._things else []
            self._things[key] = thing
            while len(self._things) > self._most:
                gone.append(self._things.pop(next(iter(self._things))))
        for one in gone:
            one.close()
