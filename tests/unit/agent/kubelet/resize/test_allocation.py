"""What of the node its pods have, and whether a resize fits."""

import pytest

from agent.kubelet.resize.allocation import Allocations, Refusal, Requests, pod_requests
from tests.unit.agent.kubelet.pod_world import pod

GIB = 1 << 30


def asks(cpu: str, **more: object) -> dict[str, object]:
    return {"resources": {"requests": {"cpu": cpu}}, **more}


def test_a_pod_asks_for_its_largest_moment_and_its_overhead() -> None:
    wanted = pod(
        asks("200m"), asks("100m"),
        inits=[asks("50m", restartPolicy="Always"), asks("700m"), asks("10m", restartPolicy="Always")],
        overhead={"cpu": "5m"},
    )  # fmt: skip
    assert pod_requests(wanted) == Requests(cpu=755)
    assert pod_requests(pod({"resources": {"limits": {"memory": "1Gi"}}})) == Requests(memory=GIB)


def node(cpu: str = "2", memory: str = "4Gi") -> Allocations:
    return Allocations(lambda: {"cpu": cpu, "memory": memory})


def test_what_can_never_fit_is_infeasible_and_what_does_not_fit_now_is_deferred() -> None:
    allocations, told = node(), list[str]()
    allocations.hold("a", Requests(cpu=500))
    allocations.hold("b", Requests(cpu=1000))
    retry = lambda: told.append("a")  # noqa: E731
    assert allocations.refusal("a", Requests(cpu=1000), retry=retry) is None
    assert allocations.refusal("a", Requests(cpu=2001), retry=retry) == Refusal(
        "Infeasible", "Node didn't have enough capacity: cpu, requested: 2001, capacity: 2000"
    )
    assert allocations.refusal("a", Requests(memory=5 * GIB), retry=retry) == Refusal(
        "Infeasible", f"Node didn't have enough capacity: memory, requested: {5 * GIB}, capacity: {4 * GIB}"
    )
    assert allocations.refusal("a", Requests(cpu=1500), retry=retry) == Refusal(
        "Deferred", "Node didn't have enough resource: cpu, requested: 1500, used: 1000, capacity: 2000"
    )


@pytest.mark.parametrize("ends", [True, False])
def test_a_deferred_pod_is_told_once_when_another_ends_or_shrinks(ends: bool) -> None:
    allocations, told = node(), list[str]()
    allocations.hold("a", Requests(cpu=500))
    allocations.hold("b", Requests(cpu=1000))
    assert allocations.refusal("a", Requests(cpu=1500), retry=lambda: told.append("a")) is not None
    allocations.hold("c", Requests(cpu=1))
    assert told == []
    if ends:
        allocations.release("b")
    else:
        allocations.hold("b", Requests(cpu=100))
    allocations.release("c")
    assert told == ["a"]
    assert allocations.refusal("a", Requests(cpu=1500), retry=lambda: None) is None


def test_what_shrinks_fits_on_a_node_that_has_too_much() -> None:
    allocations = node("1")
    allocations.hold("a", Requests(cpu=900))
    allocations.hold("b", Requests(cpu=900))
    assert allocations.refusal("a", Requests(cpu=800), retry=lambda: None) is None
