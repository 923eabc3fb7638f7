"""Metrics of the search service, all declared here, in Prometheus' text format."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
TOGETHER = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """The counters of one service; labels are bounded: routes, status classes, kinds, names of indexes."""

    def __init__(self) -> None:
        self.registry = place = CollectorRegistry()
        self.requests = Counter("deglu_requests", "Requests answered", ["route", "status"], registry=place)
        self.request_seconds = Histogram(
            "deglu_request_seconds", "Time of a request", ["route"], buckets=SECONDS, registry=place
        )
        self.wait_seconds = Histogram(
            "deglu_question_wait_seconds", "Time until the encoder was free", buckets=SECONDS, registry=place
        )
        self.encode_seconds = Histogram(
            "deglu_question_encode_seconds",
            "Time of a batch of questions in the encoder",
            buckets=SECONDS,
            registry=place,
        )
        self.search_seconds = Histogram(
            "deglu_search_seconds", "Time of a search, per question", ["index"], buckets=SECONDS, registry=place
        )
        self.waiting = Gauge("deglu_questions_waiting", "Questions that wait for the encoder", registry=place)
        self.version = Gauge("deglu_index_version", "Version that answers", ["index"], registry=place)
        self.rows = Gauge("deglu_index_rows", "Rows that everybody may find", ["index"], registry=place)

    def text(self) -> bytes:
        """All of them, as they are now."""
        return generate_latest(self.registry)
