"""The API's own metrics, in kube-apiserver's names. Served with everybody else's of the same registry at /metrics."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from master.api.http.request_info import RequestInfo

#: kube-apiserver's buckets in seconds, thinned.
_BUCKETS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.5, 2, 3, 5, 10, 30, 60)


class ApiMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("verb", "group", "version", "resource", "subresource", "scope")
        self._requests = Counter(
            "apiserver_request", "Requests by verb, resource and code.", (*labels, "code"), registry=registry
        )
        self._duration = Histogram(
            "apiserver_request_duration_seconds",
            "How long requests took, without watches and streams.",
            labels,
            buckets=_BUCKETS,
            registry=registry,
        )
        self._in_flight = Gauge(
            "apiserver_current_inflight_requests", "Requests being answered.", ("request_kind",), registry=registry
        )
        self.long_running = Gauge(
            "apiserver_longrunning_requests", "Watches, logs and streams that are open.", registry=registry
        )
        #: Children of both by their labels: looking one up takes longer than counting.
        self._counted: dict[tuple[str, ...], Counter] = {}
        self._timed: dict[tuple[str, ...], Histogram] = {}
        self.reading = self._in_flight.labels("readOnly")
        self.mutating = self._in_flight.labels("mutating")

    def observe(self, info: RequestInfo, code: int, seconds: float | None) -> None:
        """One request that was answered; `seconds` is None for a long-running one. `info` of a resource that is served."""
        labels = (info.verb.upper(), info.group, info.version, info.resource, info.subresource, info.scope)
        coded = (*labels, str(code))
        counter = self._counted.get(coded)
        if counter is None:
            counter = self._counted[coded] = self._requests.labels(*coded)
        counter.inc()
        if seconds is not None:
            timed = self._timed.get(labels)
            if timed is None:
                timed = self._timed[labels] = self._duration.labels(*labels)
            timed.observe(seconds)
