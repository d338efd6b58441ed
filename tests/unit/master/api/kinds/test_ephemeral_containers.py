"""Ephemeral containers: how they come to a pod, and what they may be."""

from typing import Any

import pytest

from master.api.kinds.pod import KIND
from master.api.registry.strategies.ephemeral_containers import EphemeralContainers

Json = dict[str, Any]


def pod() -> Json:
    made: Json = {
        "metadata": {"name": "p", "namespace": "default", "uid": "u", "generation": 1, "labels": {"a": "b"}},
        "spec": {"containers": [{"name": "c", "image": "i"}], "volumes": [{"name": "v", "emptyDir": {}}]},
        "status": {"phase": "Running"},
    }
    KIND.default(made)
    return made


def added(*containers: Json, old: Json | None = None) -> tuple[Json, list[str]]:
    """The pod after an update that lists these, and its errors."""
    strategy, before = EphemeralContainers(), old or pod()
    body = {"metadata": {"name": "p", "labels": {"x": "y"}}, "spec": {"ephemeralContainers": list(containers)}}
    obj = strategy.merge(KIND, before, body)
    return obj, [f"{cause.field}: {cause.message}" for cause in strategy.validate(KIND, obj, before)]


def test_nothing_but_the_ephemeral_containers_changes() -> None:
    obj, errors = added({"name": "d", "image": "busybox", "targetContainerName": "c", "stdin": True, "tty": True})
    assert errors == []
    assert obj["metadata"]["labels"] == {"a": "b"}
    assert obj["metadata"]["generation"] == 2
    assert obj["spec"]["containers"] == pod()["spec"]["containers"]
    [made] = obj["spec"]["ephemeralContainers"]
    assert made["imagePullPolicy"] == "Always"
    assert made["terminationMessagePolicy"] == "File"


def test_what_is_there_stays_and_more_may_come() -> None:
    first = {"name": "d", "image": "busybox"}
    before, _ = added(first)
    assert added(first, {"name": "e", "image": "busybox"}, old=before)[1] == []
    assert added({"name": "e", "image": "busybox"}, old=before)[1] == [
        'spec.ephemeralContainers: Forbidden: existing ephemeral containers "d" may not be removed\n'
    ]
    assert added({"name": "d", "image": "other"}, old=before)[1] == [
        'spec.ephemeralContainers: Forbidden: existing ephemeral containers "d" may not be changed\n'
    ]


def test_a_static_pods_mirror_takes_none() -> None:
    before = pod()
    before["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    assert added({"name": "d", "image": "i"}, old=before)[1] == [
        ": Forbidden: static pods do not support ephemeral containers"
    ]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"name": "c"}, 'name: Duplicate value: "c"'),
        ({"image": ""}, "image: Required value"),
        ({"targetContainerName": "z"}, 'targetContainerName: Not found: "z"'),
        ({"ports": [{"containerPort": 1}]}, "ports: Forbidden: cannot be set for an Ephemeral Container"),
        (
            {"livenessProbe": {"exec": {"command": ["x"]}}},
            "livenessProbe: Forbidden: cannot be set for an Ephemeral Container",
        ),
        ({"resources": {"limits": {"cpu": "1"}}}, "resources: Forbidden: cannot be set for an Ephemeral Container"),
        ({"lifecycle": {"preStop": {}}}, "lifecycle: Forbidden: cannot be set for an Ephemeral Container"),
        (
            {"volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": "s"}]},
            "volumeMounts[0].subPath: Forbidden: cannot be set for an Ephemeral Container",
        ),
    ],
)
def test_what_an_ephemeral_container_may_not_be(fields: Json, error: str) -> None:
    _, errors = added({"name": "d", "image": "i", **fields})
    assert f"spec.ephemeralContainers[0].{error}" in errors


def test_a_pod_is_not_made_with_one() -> None:
    obj = pod()
    obj["spec"]["ephemeralContainers"] = [{"name": "d", "image": "i"}]
    KIND.default(obj)
    assert "spec.ephemeralContainers: Forbidden: cannot be set on create" in [
        f"{cause.field}: {cause.message}" for cause in KIND.validate(obj, None)
    ]
