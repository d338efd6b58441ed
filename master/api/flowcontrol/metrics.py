"""Metrics of priority and fairness, in kube-apiserver's names."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

#: kube-apiserver's buckets in seconds.
_BUCKETS = (0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30)


class FlowMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        prefix = "apiserver_flowcontrol"
        level = ("priority_level",)
        self.dispatched = Counter(
            f"{prefix}_dispatched_requests", "Requests that were let in.", (*level, "flow_schema"), registry=registry
        )
        self.rejected = Counter(
            f"{prefix}_rejected_requests", "Requests that were sent away.", (*level, "reason"), registry=registry
        )
        self.wait = Histogram(
            f"{prefix}_request_wait_duration_seconds",
            "How long requests waited in a queue, of those that had to.",
            level,
            buckets=_BUCKETS,
            registry=registry,
        )
        self.executing = Gauge(f"{prefix}_current_executing_requests", "Requests being answered.", level, registry=registry)
        self.inqueue = Gauge(f"{prefix}_current_inqueue_requests", "Requests that wait.", level, registry=registry)
        self.seats = Gauge(f"{prefix}_nominal_limit_seats", "Seats of its own.", level, registry=registry)

    def level(self, name: str) -> "LevelMetrics":
        return LevelMetrics(self, name)


class LevelMetrics:
    """One level's; label children are looked up once."""

    def __init__(self, metrics: FlowMetrics, name: str) -> None:
        self._metrics = metrics
        self._name = name
        self._dispatched: dict[str, Counter] = {}
        self._wait = metrics.wait.labels(name)

    def watch(self, executing: Callable[[], int], inqueue: Callable[[], int], seats: int) -> None:
        """Read the gauges when somebody asks, not at each request."""
        self._metrics.executing.labels(self._name).set_function(executing)
        self._metrics.inqueue.labels(self._name).set_function(inqueue)
        self._metrics.seats.labels(self._name).set(seats)

    def dispatched(self, schema: str) -> None:
        counter = self._dispatched.get(schema)
        if counter is None:
            counter = self._dispatched[schema] = self._metrics.dispatched.labels(self._name, schema)
        counter.inc()

    def rejected(self, reason: str) -> None:
        self._metrics.rejected.labels(self._name, reason).inc()

    def waited(self, seconds: float) -> None:
        self._wait.observe(seconds)
