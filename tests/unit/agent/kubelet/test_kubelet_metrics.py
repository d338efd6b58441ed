"""The kubelet's metrics have Kubernetes' names and count what happened."""

from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from agent.kubelet.metered_runtime import metered
from agent.kubelet.metrics import KubeletMetrics
from agent.kubelet.pod.observation import PodObservation
from agent.runtime.errors import ImageNotFound
from agent.runtime.fake import FakeRuntime
from agent.runtime.spec import SandboxSpec
from proto.k8s.time import format_time
from tests.unit.agent.kubelet.pod_world import instance, pod, sandbox


def lines(registry: CollectorRegistry) -> list[str]:
    return [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]


def test_what_runs_is_counted_when_somebody_asks() -> None:
    observations = [PodObservation.of([sandbox(pod()), instance(pod())])]
    metrics = KubeletMetrics("node-1", lambda: observations)
    assert "kubelet_running_pods 1.0" in lines(metrics.registry)
    assert 'kubelet_running_containers{container_state="running"} 1.0' in lines(metrics.registry)
    observations.clear()
    assert "kubelet_running_pods 0.0" in lines(metrics.registry)


def test_a_pods_start_is_timed_once_and_only_when_it_was_seen_to_wait() -> None:
    metrics = KubeletMetrics("node-1", list)
    began = format_time(datetime.now(UTC) - timedelta(seconds=7))
    metrics.pod_status("kept", {"phase": "Running", "startTime": began})
    for phase in ("Pending", "Running", "Pending", "Failed", "Running"):
        metrics.pod_status("new", {"phase": phase, "startTime": began})
    found = lines(metrics.registry)
    assert "kubelet_pod_start_duration_seconds_count 1.0" in found
    assert 'kubelet_pod_start_duration_seconds_bucket{le="6.0"} 0.0' in found
    assert 'kubelet_pod_start_duration_seconds_bucket{le="10.0"} 1.0' in found


def test_probes_are_counted_by_result_while_their_pod_is_there() -> None:
    state = instance(pod())
    observations = [PodObservation.of([state])]
    metrics = KubeletMetrics("node-1", lambda: observations)
    metrics.probe(state, "readiness", "failure")
    metrics.probe(state, "readiness", "success")
    metrics.probe(state, "readiness", "success")
    metrics.probe(None, "readiness", "success")
    counted = [line for line in lines(metrics.probes) if line.startswith("prober_probe_total")]
    assert [line.rpartition(" ")[2] for line in counted] == ["1.0", "2.0"]
    assert 'container="c0"' in counted[0]
    assert 'probe_type="Readiness",result="failed"' in counted[0]
    observations.clear()
    assert lines(metrics.probes) == []


async def test_the_engines_operations_are_counted_and_their_failures() -> None:
    metrics = KubeletMetrics("node-1", list)
    fake = FakeRuntime()
    runtime = metered(fake, metrics)
    await runtime.list_containers()
    with pytest.raises(ImageNotFound):
        await runtime.create_sandbox(SandboxSpec(name="s", image="none:1", labels={}))
    found = lines(metrics.registry)
    assert 'kubelet_runtime_operations_total{operation_type="list_containers"} 1.0' in found
    assert 'kubelet_runtime_operations_total{operation_type="run_podsandbox"} 1.0' in found
    assert 'kubelet_runtime_operations_errors_total{operation_type="run_podsandbox"} 1.0' in found
    assert not any(line.startswith('kubelet_runtime_operations_errors_total{operation_type="list') for line in found)
