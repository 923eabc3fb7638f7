"""What stands for ours in tests of the index bench, and few peers that need no other library."""

from embed.encoder import FloatArray
from evaluate.bench.index.contender import Family, Setting
from evaluate.bench.index.peers.flat import Flat, ListsOfCodes


class StandIn(Flat):
    """Promises anything, and reads every row for it."""

    name = "stand-in"

    def calibrate(self, queries: FloatArray) -> None:
        self.seen = len(queries)

    def promised(self, recall: float) -> Setting:
        return recall

    def rows_read(self, queries: FloatArray, setting: Setting) -> float:
        return float(self._index.ntotal)

    def close(self) -> None:
        self.closed = True


class Broken(Flat):
    def build(self, rows: FloatArray) -> None:
        raise RuntimeError("no such instruction")


FAMILIES = (
    Family("exact flat", "faiss", (Flat,)),
    Family("codes", "faiss", (lambda: ListsOfCodes(2, 0.25),)),
    Family("hnswlib", "no_such_package", ()),
    Family("broken", "faiss", (Broken,)),
)
