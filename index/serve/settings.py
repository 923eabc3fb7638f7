"""Settings of the search service: limits of what one caller may ask and of what one process holds."""

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True)
class Settings:
    """Limits; beyond each, a caller gets a problem that names it."""

    most_bytes: int = 16 * MIB  # of a request's body
    most_hits: int = 1_000
    most_questions: int = 256  # of one request
    most_characters: int = 8_192  # of one text
    most_waiting: int = 512  # questions to be encoded, of all callers
    most_decoding: int = 4  # recordings at the same time
    longest_clip_s: float = 300.0  # with its padding
    requests_per_s: float = 50.0  # of one caller, on average; 0: no limit
    burst: int = 100  # requests at once, after a pause
    recall: float | None = None  # the promise of searches that name none; None: that of the index
