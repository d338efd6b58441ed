"""What must change on the engine when a pod's resources do."""

from dataclasses import replace
from typing import Any

from lightkube.resources.core_v1 import Pod

from agent.kubelet.pod.observation import PodObservation
from agent.kubelet.pod.record import Amounts
from agent.kubelet.resize.plan import amounts, limits_of, steps, with_amounts
from agent.runtime.spec import ContainerState, ResourceLimits
from tests.unit.agent.kubelet.pod_world import instance, pod, sandbox

MIB = 1 << 20


def sized(cpu: str, memory: str, **more: Any) -> dict[str, Any]:
    return {"resources": {"requests": {"cpu": cpu}, "limits": {"cpu": cpu, "memory": memory}}, **more}


def running(made_for: Pod, name: str = "c0") -> ContainerState:
    container = next(one for one in made_for.spec.containers if one.name == name)  # type: ignore[union-attr]
    return replace(instance(made_for, name), limits=limits_of(made_for, container, node_memory=0))


def found(wanted: Pod, *states: ContainerState, unsettled: tuple[str, ...] = ("c0", "c1")) -> list[tuple[str, str, bool]]:
    observed = PodObservation.of((sandbox(wanted), *states))
    return [
        (one.container.name, one.resource, one.restart) for one in steps(wanted, observed, unsettled=unsettled, node_memory=0)
    ]


def test_memory_goes_before_cpu_and_what_shrinks_before_what_grows() -> None:
    before = pod(sized("100m", "64Mi"), sized("200m", "128Mi"))
    after = pod(sized("200m", "128Mi"), sized("100m", "64Mi"))
    assert found(after, running(before), running(before, "c1")) == [
        ("c1", "memory", False), ("c0", "memory", False), ("c1", "cpu", False), ("c0", "cpu", False),
    ]  # fmt: skip


def test_each_step_changes_one_resource_alone() -> None:
    before, after = pod(sized("100m", "64Mi")), pod(sized("200m", "128Mi"))
    observed = PodObservation.of((sandbox(after), running(before)))
    assert [one.limits for one in steps(after, observed, unsettled=("c0",), node_memory=0)] == [
        ResourceLimits(memory=128 * MIB),
        ResourceLimits(cpu_shares=204, cpu_quota=20_000, cpu_period=100_000),
    ]


def test_only_a_resource_that_changes_restarts_a_container() -> None:
    policy = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
    before = pod(sized("100m", "64Mi"))
    cpu, memory = pod(sized("200m", "64Mi", resizePolicy=policy)), pod(sized("100m", "128Mi", resizePolicy=policy))
    assert found(cpu, running(before)) == [("c0", "cpu", False)]
    assert found(memory, running(before)) == [("c0", "memory", True)]


def test_a_container_that_was_asked_nothing_new_stays_whatever_the_engine_says() -> None:
    wanted = pod(sized("100m", "64Mi", resizePolicy=[{"resourceName": "cpu", "restartPolicy": "RestartContainer"}]))
    other = replace(running(wanted), limits=ResourceLimits(cpu_shares=7))
    assert found(wanted, other, unsettled=()) == []
    assert found(wanted, running(wanted)) == [], "it has been brought there already"
    assert found(wanted, instance(wanted, exit_code=1)) == [], "its next instance starts so"
    assert found(wanted, instance(wanted, sandbox_id="older")) == []


def test_a_limit_that_was_not_there_is_set_and_one_that_is_gone_stays() -> None:
    limited = pod(sized("100m", "64Mi"))
    unlimited = pod({"resources": {"requests": {"cpu": "100m"}}})
    assert found(limited, running(unlimited)) == [("c0", "memory", False), ("c0", "cpu", False)]
    assert found(unlimited, running(limited)) == []


def test_a_pod_keeps_what_it_was_given_and_all_else_of_its_manifest() -> None:
    asked = pod(
        {"image": "app:2", "resources": {"limits": {"memory": "2Gi", "ephemeral-storage": "1Gi"}}}, {},
        inits=[
            {"restartPolicy": "Always", "resources": {"requests": {"cpu": "1"}}},
            {"resources": {"requests": {"cpu": "9"}}},
        ],
    )  # fmt: skip
    given = {"c0": Amounts(limits={"memory": "1Gi"}), "i0": Amounts(requests={"cpu": "500m"})}
    kept = with_amounts(asked, given)
    assert amounts(kept) == {"c0": given["c0"], "c1": Amounts(), "i0": given["i0"]}
    assert kept.spec is not None
    assert kept.spec.containers[0].image == "app:2"
    assert kept.spec.containers[0].resources is not None
    assert kept.spec.containers[0].resources.limits == {"memory": "1Gi", "ephemeral-storage": "1Gi"}
    assert kept.spec.initContainers is not None
    assert kept.spec.initContainers[1].resources is not None
    assert kept.spec.initContainers[1].resources.requests == {"cpu": "9"}
    assert with_amounts(asked, amounts(asked)) is asked
