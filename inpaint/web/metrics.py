"""What the server counts, for Prometheus."""

import os
from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120)


class Metrics:
    """Counters of one server.

    Args:
        queued, running: how many requests wait and are worked on.
        workers: process ids of the workers.
        deaths: how many workers came to an end.
    """

    def __init__(
        self, queued: Callable[[], int], running: Callable[[], int], workers: Callable[[], list[int]],
        deaths: Callable[[], int],
    ) -> None:  # fmt: skip
        self.registry = registry = CollectorRegistry()
        names = ["route", "status"]
        self._requests = Counter("inpaint_requests", "Requests answered.", names, registry=registry)
        self._seconds = Histogram(
            "inpaint_request_seconds", "Seconds from request to answer.", ["route"], buckets=BUCKETS, registry=registry
        )
        self._waited = Histogram(
            "inpaint_wait_seconds", "Seconds in the queue.", buckets=BUCKETS, registry=registry
        )
        self._stages = Counter("inpaint_stage_seconds", "Seconds of work by stage.", ["stage"], registry=registry)
        self._pixels = Counter("inpaint_filled_pixels", "Pixels filled.", registry=registry)
        for name, text, value in (
            ("inpaint_queue_length", "Requests that wait, of page and API.", queued),
            ("inpaint_running", "Requests that are worked on, of page and API.", running),
            ("inpaint_worker_deaths", "Workers that came to an end and were replaced.", deaths),
            ("inpaint_server_resident_bytes", "Memory of the server.", lambda: resident(os.getpid())),
            ("inpaint_workers_resident_bytes", "Memory of its workers.", lambda: sum(map(resident, workers()))),
        ):
            Gauge(name, text, registry=registry).set_function(value)

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count an answer."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def waited(self, seconds: float) -> None:
        """Count a wait in the queue."""
        self._waited.observe(seconds)

    def stages(self, seconds: Mapping[str, float], pixels: int = 0) -> None:
        """Count work by stage."""
        for stage, spent in seconds.items():
            self._stages.labels(stage).inc(max(0.0, spent))
        self._pixels.inc(pixels)

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self.registry)


def resident(pid: int) -> int:
    """Resident memory of a process in bytes; 0 where the system does not say."""
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
