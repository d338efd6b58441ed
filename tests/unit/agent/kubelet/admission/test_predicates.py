"""What a node refuses, with Kubernetes' own reasons and words."""

from typing import Any

import pytest
from lightkube.models.core_v1 import Pod

from agent.kubelet.admission.chain import Refusal
from agent.kubelet.admission.predicates import NodeState, check
from tests.unit.agent.kubelet.pod_world import pod

ALLOCATABLE = {"cpu": "2", "memory": "1Gi", "ephemeral-storage": "10Gi", "pods": "3", "hugepages-2Mi": "4Mi", "x.io/y": "2"}
NODE = NodeState("node-1", ALLOCATABLE, labels={"disk": "ssd", "cores": "8"})


def asking(**requests: str) -> Pod:
    named = {name.replace("_", "-"): amount for name, amount in requests.items()}
    return pod({"resources": {"requests": named}})


def refused(subject: Pod, *others: Pod, node: NodeState = NODE) -> Refusal:
    found = check(subject, node, others=others)
    assert found is not None
    return found


def test_a_pod_that_fits_is_taken() -> None:
    assert check(asking(cpu="1500m", memory="512Mi"), NODE, others=[asking(cpu="500m", memory="512Mi")]) is None


@pytest.mark.parametrize(
    ("wanted", "reason", "amounts"),
    [
        ({"cpu": "1501m"}, "OutOfcpu", "cpu, requested: 1501, used: 500, capacity: 2000"),
        ({"memory": "1Gi"}, "OutOfmemory", "memory, requested: 1073741824, used: 1048576, capacity: 1073741824"),
        (
            {"ephemeral-storage": "11Gi"},
            "OutOfephemeral-storage",
            "ephemeral-storage, requested: 11811160064, used: 0, capacity: 10737418240",
        ),
        ({"hugepages-2Mi": "6Mi"}, "OutOfhugepages-2Mi", "hugepages-2Mi, requested: 6291456, used: 0, capacity: 4194304"),
        ({"x.io/y": "3"}, "OutOfx.io/y", "x.io/y, requested: 3, used: 0, capacity: 2"),
    ],
)
def test_what_does_not_fit_beside_the_others_is_out_of_it(wanted: dict[str, str], reason: str, amounts: str) -> None:
    found = refused(pod({"resources": {"requests": wanted}}), asking(cpu="500m", memory="1Mi"))
    assert found == Refusal(reason, f"Node didn't have enough resource: {amounts}")


def test_a_resource_that_the_node_does_not_know_is_not_its_affair() -> None:
    assert check(pod({"resources": {"requests": {"cluster.io/licence": "7"}}}), NODE, others=[]) is None


def test_the_number_of_pods_is_bounded() -> None:
    found = refused(pod(), pod(), pod(), pod())
    assert found == Refusal("OutOfpods", "Node didn't have enough resource: pods, requested: 1, used: 3, capacity: 3")


def test_init_containers_count_by_the_largest_and_sidecars_beside_them() -> None:
    big = {"resources": {"requests": {"cpu": "1"}}}
    inits = [{"restartPolicy": "Always", **big}, big, big]
    assert check(pod(big, inits=inits), NODE, others=[]) is None
    assert refused(pod(big, big, inits=inits)).message.startswith("Node didn't have enough resource: cpu, requested: 3000")


@pytest.mark.parametrize(
    ("spec", "fits"),
    [
        ({"nodeSelector": {"disk": "ssd"}}, True),
        ({"nodeSelector": {"disk": "hdd"}}, False),
        ({"key": "disk", "operator": "In", "values": ["ssd", "nvme"]}, True),
        ({"key": "disk", "operator": "NotIn", "values": ["ssd"]}, False),
        ({"key": "zone", "operator": "NotIn", "values": ["a"]}, True),
        ({"key": "zone", "operator": "Exists"}, False),
        ({"key": "zone", "operator": "DoesNotExist"}, True),
        ({"key": "cores", "operator": "Gt", "values": ["7"]}, True),
        ({"key": "cores", "operator": "Lt", "values": ["8"]}, False),
    ],
)
def test_labels_are_required_as_the_scheduler_reads_them(spec: dict[str, Any], fits: bool) -> None:
    if "key" in spec:
        term = {"nodeSelectorTerms": [{"matchExpressions": [spec]}]}
        spec = {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": term}}}
    found = check(pod(**spec), NODE, others=[])
    text = "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"
    assert found == (None if fits else Refusal("NodeAffinity", text))


def test_labels_that_are_not_known_yet_refuse_nobody() -> None:
    assert check(pod(nodeSelector={"disk": "hdd"}), NodeState("node-1", ALLOCATABLE), others=[]) is None


def test_a_host_port_is_given_once() -> None:
    first = pod({"ports": [{"containerPort": 80, "hostPort": 8080, "hostIP": "192.0.2.1"}]})
    other = pod({"ports": [{"containerPort": 80, "hostPort": 8080, "hostIP": "192.0.2.2"}]})
    everywhere = pod({"ports": [{"containerPort": 8080}]}, hostNetwork=True)
    assert check(other, NODE, others=[first]) is None
    text = "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"
    assert refused(everywhere, first) == Refusal("NodePorts", text)


@pytest.mark.parametrize(
    ("name", "spec", "problem"),
    [
        ("net.ipv4.tcp_syncookies", {}, ""),
        ("net/ipv4/tcp_syncookies", {}, ""),
        ("net.core.somaxconn", {}, ""),
        ("kernel.msgmax", {}, 'forbidden sysctl: "kernel.msgmax" not allowlisted'),
        ("vm.swappiness", {}, 'forbidden sysctl: "vm.swappiness" not allowlisted'),
        ("net.core.somaxconn", {"hostNetwork": True},
         'forbidden sysctl: "net.core.somaxconn" not allowed with host Net enabled'),
        ("kernel.shm_rmid_forced", {"hostIPC": True},
         'forbidden sysctl: "kernel.shm_rmid_forced" not allowed with host IPC enabled'),
    ],
)  # fmt: skip
def test_sysctls_are_safe_or_allowed(name: str, spec: dict[str, Any], problem: str) -> None:
    node = NodeState("node-1", ALLOCATABLE, allowed_unsafe_sysctls=("net.core.*",))
    found = check(pod(securityContext={"sysctls": [{"name": name, "value": "1"}]}, **spec), node, others=[])
    assert found == (Refusal("SysctlForbidden", problem) if problem else None)


@pytest.mark.parametrize(
    ("subject", "required"),
    [
        (pod({"securityContext": {"appArmorProfile": {"type": "RuntimeDefault"}}}), True),
        (pod(securityContext={"appArmorProfile": {"type": "Localhost", "localhostProfile": "mine"}}), True),
        (pod({"securityContext": {"appArmorProfile": {"type": "Unconfined"}}}), False),
        (pod(), False),
    ],
)
def test_app_armor_needs_a_host_that_has_it(subject: Pod, required: bool) -> None:
    found = check(subject, NODE, others=[])
    text = "Cannot enforce AppArmor: AppArmor is not enabled on the host"
    assert found == (Refusal("AppArmor", text) if required else None)
    assert check(subject, NodeState("node-1", ALLOCATABLE, app_armor=True), others=[]) is None


def test_other_systems_and_strict_groups_are_refused() -> None:
    assert refused(pod(os={"name": "windows"})).reason == "PodOSNotSupported"
    strict = refused(pod(securityContext={"supplementalGroupsPolicy": "Strict"}))
    assert strict.reason == "SupplementalGroupsPolicyNotSupported"
    assert strict.message == "SupplementalGroupsPolicy=Strict is not supported in this node"
