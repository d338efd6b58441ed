"""/metrics/resource: Kubernetes' resource metrics in Prometheus' text form, with the times of the readings. Pure.

Names, labels, helps and stability as kubelet's: https://kubernetes.io/docs/reference/instrumentation/node-metrics/
"""

from collections.abc import Iterable, Iterator

from agent.stats.samples import ContainerSample, NodeSample, PodSample

#: Labels, value, time in seconds since the epoch (None: none is told).
_Point = tuple[str, float, float | None]


def resource_metrics(sample: NodeSample | None) -> str:
    """None: the node could not be read: then only that is told."""
    if sample is None:
        return "".join(_family("resource_scrape_error", "gauge", [("", 1, None)]))
    node, pods = sample.usage, sample.pods
    lines: list[str] = []
    containers = [(pod, one, _labels(pod, one)) for pod in pods for one in pod.containers]
    families: list[tuple[str, str, list[_Point]]] = [
        (
            "container_cpu_usage_seconds_total",
            "counter",
            [(at, one.usage.cpu / 1e9, one.usage.time) for _, one, at in containers if one.usage.cpu is not None],
        ),
        (
            "container_memory_working_set_bytes",
            "gauge",
            [(at, one.usage.memory.working_set, one.usage.time) for _, one, at in containers if one.usage.memory is not None],
        ),
        ("container_start_time_seconds", "gauge", [(at, one.target.started_at, None) for _, one, at in containers]),
        (
            "container_swap_limit_bytes",
            "gauge",
            [
                (at, one.usage.swap.limit, one.usage.time)
                for _, one, at in containers
                if one.usage.swap is not None and one.usage.swap.limit is not None
            ],
        ),
        (
            "container_swap_usage_bytes",
            "gauge",
            [(at, one.usage.swap.usage, one.usage.time) for _, one, at in containers if one.usage.swap is not None],
        ),
        ("node_cpu_usage_seconds_total", "counter", [("", node.cpu / 1e9, node.time)] if node.cpu is not None else []),
        (
            "node_memory_working_set_bytes",
            "gauge",
            [("", node.memory.working_set, node.time)] if node.memory is not None else [],
        ),
        ("node_swap_usage_bytes", "gauge", [("", node.swap.usage, node.time)] if node.swap is not None else []),
        (
            "pod_cpu_usage_seconds_total",
            "counter",
            [(_labels(pod), _pod_cpu(pod), pod.sandbox.usage.time) for pod in pods],
        ),
        (
            "pod_memory_working_set_bytes",
            "gauge",
            [(_labels(pod), pod.working_set, pod.sandbox.usage.time) for pod in pods],
        ),
        (
            "pod_swap_usage_bytes",
            "gauge",
            [
                (_labels(pod), sum(swaps), pod.sandbox.usage.time)
                for pod in pods
                if (swaps := [one.usage.swap.usage for one in pod.everything if one.usage.swap is not None])
            ],
        ),
        ("resource_scrape_error", "gauge", [("", 0, None)]),
    ]
    for name, kind, points in families:
        lines.extend(_family(name, kind, points))
    return "".join(lines)


_HELP = {
    "container_cpu_usage_seconds_total": "[STABLE] Cumulative cpu time consumed by the container in core-seconds",
    "container_memory_working_set_bytes": "[STABLE] Current working set of the container in bytes",
    "container_start_time_seconds": "[STABLE] Start time of the container since unix epoch in seconds",
    "container_swap_limit_bytes": "[ALPHA] Current amount of the container swap limit in bytes. "
    "Reported only on non-windows systems",
    "container_swap_usage_bytes": "[ALPHA] Current amount of the container swap usage in bytes. "
    "Reported only on non-windows systems",
    "node_cpu_usage_seconds_total": "[STABLE] Cumulative cpu time consumed by the node in core-seconds",
    "node_memory_working_set_bytes": "[STABLE] Current working set of the node in bytes",
    "node_swap_usage_bytes": "[ALPHA] Current swap usage of the node in bytes. Reported only on non-windows systems",
    "pod_cpu_usage_seconds_total": "[STABLE] Cumulative cpu time consumed by the pod in core-seconds",
    "pod_memory_working_set_bytes": "[STABLE] Current working set of the pod in bytes",
    "pod_swap_usage_bytes": "[ALPHA] Current amount of the pod swap usage in bytes. Reported only on non-windows systems",
    "resource_scrape_error": "[STABLE] 1 if there was an error while getting container metrics, 0 otherwise",
}


def _family(name: str, kind: str, points: Iterable[_Point]) -> Iterator[str]:
    """Nothing when there are no points, as Prometheus' own encoder."""
    head = f"# HELP {name} {_HELP[name]}\n# TYPE {name} {kind}\n"
    for labels, value, time in points:
        yield f"{head}{name}{labels} {_number(value)}{'' if time is None else f' {int(time * 1000)}'}\n"
        head = ""


def _labels(pod: PodSample, container: ContainerSample | None = None) -> str:
    # Names of pods, namespaces and containers hold nothing that would have to be escaped.
    where = f'namespace="{pod.target.namespace}",pod="{pod.target.name}"'
    return f'{{container="{container.target.name}",{where}}}' if container is not None else f"{{{where}}}"


def _pod_cpu(pod: PodSample) -> float:
    return sum(one.usage.cpu for one in pod.everything if one.usage.cpu is not None) / 1e9


def _number(value: float) -> str:
    return repr(value) if isinstance(value, float) and not value.is_integer() else str(int(value))
