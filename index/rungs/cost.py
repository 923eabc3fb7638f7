"""Cost of a search by counts: nanoseconds for the rows, lists and candidates that it reads, never by a clock.

So two builds of the same rows choose the same points, on any machine.  The constants are those of one thread of a
2-core EPYC (Zen 4); on another machine all are larger or smaller by about the same factor.
"""

from dataclasses import dataclass

from index.ladder import Setting

CODES_PER_BYTE = 2
# A row that is scanned: 0.85 ns for 24 bytes of code, 1.26 for 48, 1.48 for 64, 2.0 for 96 in the cache; one question
# at a time from memory, at a million rows, 1/12 a byte.  Between the two:
SCAN_ROW, SCAN_BYTE = 0.47, 1 / 30
LIST = 400.0  # to begin one
# To keep one among the best of the scan, 130 to 160; to rank it by its 8-bit row, 65 to 90 in the cache.
CANDIDATE = 300.0
EXACT_BYTE = 0.17  # 17,500 rows of 768 bytes in 2.3 ms, one question at a time
ROUTE_VALUE = 0.06  # of the router's weights
ONE = 40_000.0  # a question by itself: the calls of a search


@dataclass(frozen=True)
class Cost:
    """Costs of searches of one shelf, in nanoseconds a question."""

    width: int  # of a row
    subspaces: int  # codes a row
    lists: int

    def scan(self, rows: float, lists: float, setting: Setting) -> float:
        """Of a search that reads the codes of `rows` rows in so many lists."""
        read = rows * (SCAN_ROW + SCAN_BYTE * self.subspaces / CODES_PER_BYTE) + lists * LIST
        route = self.lists * self.width * ROUTE_VALUE
        return route + read + setting.shortlist * CANDIDATE + self.every(setting.exact)

    def every(self, rows: float) -> float:
        """Of reading these rows exactly."""
        return rows * 2 * self.width * EXACT_BYTE
