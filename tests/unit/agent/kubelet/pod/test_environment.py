"""A container's environment."""

from base64 import b64encode

import msgspec
import pytest
from lightkube.resources.core_v1 import ConfigMap, Secret, Service

from agent.desired import DesiredState
from agent.kubelet.pod.environment import NodeFacts, environment, expand, service_environment
from agent.kubelet.pods import containers
from agent.volumes.references import ObjectMissing, References
from tests.unit.agent.kubelet.pod_world import pod

NODE = NodeFacts("node-1", ("192.0.2.1",), {"cpu": "2", "memory": "1Gi"})


def build(container: dict[str, object], desired: DesiredState | None = None) -> dict[str, str]:
    wanted = pod(container)
    return environment(
        wanted,
        containers(wanted)[0],
        references=References(desired or DesiredState(), "default"),
        services={},
        node=NODE,
        pod_ips=("10.244.0.5",),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [("$(A)", "1"), ("$$(A)", "$(A)"), ("$(B)", "$(B)"), ("$$$(A)", "$1"), ("a$b", "a$b"), ("$(A", "$(A"), ("$(A)$(A)", "11")],
)
def test_references_expand_as_in_kubernetes(text: str, expected: str) -> None:
    assert expand(text, {"A": "1"}) == expected


def test_sources_are_read_in_order_and_later_ones_win() -> None:
    desired = DesiredState()
    desired.config_maps["default", "c"] = msgspec.convert({"data": {"A": "cm", "B": "cm", "1 bad": "x"}}, ConfigMap)
    desired.secrets["default", "s"] = msgspec.convert({"data": {"B": b64encode(b"secret").decode()}}, Secret)
    found = build(
        {
            "envFrom": [
                {"configMapRef": {"name": "c"}},
                {"secretRef": {"name": "s"}},
                {"configMapRef": {"name": "c"}, "prefix": "P_"},
            ],
            "env": [
                {"name": "A", "value": "own"},
                {"name": "C", "value": "$(A)-$(B)"},
                {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                {"name": "LABEL", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
                {"name": "MEM", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
                {"name": "GONE", "valueFrom": {"configMapKeyRef": {"name": "none", "key": "k", "optional": True}}},
            ],
        },
        desired,
    )
    assert found == {
        "A": "own", "B": "secret", "P_A": "cm", "P_B": "cm", "C": "own-secret",
        "IP": "10.244.0.5", "LABEL": "web", "MEM": "1024",
    }  # fmt: skip


def test_a_missing_config_map_is_named() -> None:
    with pytest.raises(ObjectMissing, match='configmap "x" not found'):
        build({"envFrom": [{"configMapRef": {"name": "x"}}]})


def test_services_are_told_by_environment() -> None:
    manifest = {
        "metadata": {"name": "my-db", "namespace": "default"},
        "spec": {"clusterIP": "10.96.0.7", "ports": [{"name": "main", "port": 5432, "protocol": "TCP"}]},
    }
    service = msgspec.convert(manifest, Service)
    found = service_environment([service], "default", links=True)
    assert found["MY_DB_SERVICE_HOST"] == "10.96.0.7"
    assert found["MY_DB_SERVICE_PORT_MAIN"] == "5432"
    assert found["MY_DB_PORT_5432_TCP"] == "tcp://10.96.0.7:5432"
    assert service_environment([service], "other", links=True) == {}
    assert service_environment([service], "default", links=False) == {}
