"""The kubelet's metrics, by kubelet's well-known names, and the probes' own. Made by the kubelet, served by `agent.server`.

What can be counted when somebody asks is counted then. https://kubernetes.io/docs/reference/instrumentation/metrics/
"""

from collections import Counter as Counts
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from agent.kubelet.labels import CONTAINER_NAME, identity_of
from agent.kubelet.pod.observation import PodObservation
from agent.runtime.spec import ContainerState

Json = dict[str, Any]

_POD_START_SECONDS = (0.5, 1, 2, 3, 4, 5, 6, 8, 10, 20, 30, 45, 60, 120, 180, 240, 300, 480, 600, 900, 1200, 1800, 2700, 3600)
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_RESULTS = {"success": "successful", "failure": "failed", "unknown": "unknown"}
_PROBES = "Cumulative number of a liveness, readiness or startup probe for a container by result."

Observations = Callable[[], Iterable[PodObservation]]


class KubeletMetrics:
    """`registry`: for /metrics; `probes`: for /metrics/probes. `observations`: of every pod that is on the engine."""

    def __init__(self, node_name: str, observations: Observations) -> None:
        self.registry = registry = CollectorRegistry()
        self.probes = CollectorRegistry()
        self._probe_results = _ProbeResults(observations)
        self.probes.register(self._probe_results)
        registry.register(_Running(observations))
        Gauge("kubelet_node_name", "The node's name. The count is always 1.", ["node"], registry=registry).labels(
            node_name
        ).set(1)
        self._pod_start = Histogram(
            "kubelet_pod_start_duration_seconds",
            "Duration in seconds from kubelet seeing a pod for the first time to the pod starting to run",
            registry=registry,
            buckets=_POD_START_SECONDS,
        )
        self.relist_duration = Histogram(
            "kubelet_pleg_relist_duration_seconds",
            "Duration in seconds for relisting pods in PLEG.",
            registry=registry,
            buckets=_SECONDS,
        )
        self.evictions = Counter(
            "kubelet_evictions",
            "Cumulative number of pod evictions by eviction signal",
            ["eviction_signal"],
            registry=registry,
        )
        self._operations = Counter(
            "kubelet_runtime_operations",
            "Cumulative number of runtime operations by operation type.",
            ["operation_type"],
            registry=registry,
        )
        self._operation_errors = Counter(
            "kubelet_runtime_operations_errors",
            "Cumulative number of runtime operation errors by operation type.",
            ["operation_type"],
            registry=registry,
        )
        self._operation_seconds = Histogram(
            "kubelet_runtime_operations_duration_seconds",
            "Duration in seconds of runtime operations. Broken down by operation type.",
            ["operation_type"],
            registry=registry,
            buckets=_SECONDS,
        )
        #: Pods that were seen to wait and have not run yet.
        self._starting: set[str] = set()

    def pod_status(self, uid: str, status: Json) -> None:
        """A pod's status was told: how long its start took is known when it runs for the first time."""
        match status.get("phase"):
            case "Pending":
                self._starting.add(uid)
            case "Running" if uid in self._starting:
                self._starting.discard(uid)
                began = status.get("startTime")
                if isinstance(began, str):
                    taken = (datetime.now(UTC) - datetime.fromisoformat(began)).total_seconds()
                    self._pod_start.observe(max(0.0, taken))
            case _:
                self._starting.discard(uid)

    def probe(self, state: ContainerState | None, kind: str, outcome: str) -> None:
        """A probe of a container ended; None: the container has gone meanwhile."""
        if state is not None:
            self._probe_results.count(state, kind, _RESULTS[outcome])

    def operation(self, name: str, seconds: float, *, failed: bool) -> None:
        """The engine was asked for something, by kubelet's name of it ("create_container")."""
        self._operations.labels(name).inc()
        self._operation_seconds.labels(name).observe(seconds)
        if failed:
            self._operation_errors.labels(name).inc()


class _Running:
    """kubelet_running_pods and kubelet_running_containers."""

    def __init__(self, observations: Observations) -> None:
        self._observations = observations

    def collect(self) -> Iterator[Metric]:
        observations = list(self._observations())
        pods = GaugeMetricFamily("kubelet_running_pods", "Number of pods that have a running pod sandbox")
        pods.add_metric([], sum(one.sandbox is not None for one in observations))
        yield pods
        states = Counts(state.phase for one in observations for state in one.containers())
        containers = GaugeMetricFamily(
            "kubelet_running_containers", "Number of containers currently running", labels=["container_state"]
        )
        for phase, count in sorted(states.items()):
            containers.add_metric([phase], count)
        yield containers


class _ProbeResults:
    """prober_probe_total. What it counted for a pod goes with the pod."""

    def __init__(self, observations: Observations) -> None:
        self._observations = observations
        self._counts: Counts[tuple[str, str, str, str, str, str]] = Counts()

    def count(self, state: ContainerState, kind: str, result: str) -> None:
        pod = identity_of(state)
        container = state.labels.get(CONTAINER_NAME, "")
        self._counts[(kind.capitalize(), result, container, pod.name, pod.namespace, pod.uid)] += 1

    def collect(self) -> Iterator[Metric]:
        there = {identity_of(state).uid for one in self._observations() for state in one.everything()}
        for labels in [labels for labels in self._counts if labels[-1] not in there]:
            del self._counts[labels]
        names = ["probe_type", "result", "container", "pod", "namespace", "pod_uid"]
        family = CounterMetricFamily("prober_probe", _PROBES, labels=names)
        for labels, count in sorted(self._counts.items()):
            family.add_metric(list(labels), count)
        yield family
