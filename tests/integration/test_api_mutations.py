"""No object, however mutilated, makes the verbs raise anything but a StatusError."""

import copy
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from master.api.registry.storage import decode
from master.client.errors import StatusError
from master.client.protocol import DeleteOptions, ResourceRef
from tests.integration.api_world import api_world

Json = dict[str, Any]
CONTAINER: Json = {
    "name": "c", "image": "i", "ports": [{"containerPort": 80, "name": "http"}],
    "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
    "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "100m"}}, "volumeMounts": [{"name": "v", "mountPath": "/v"}],
    "livenessProbe": {"httpGet": {"path": "/", "port": "http"}}, "lifecycle": {"preStop": {"exec": {"command": ["x"]}}},
}  # fmt: skip
POD_SPEC: Json = {
    "containers": [CONTAINER], "initContainers": [{"name": "init", "image": "i"}],
    "volumes": [{"name": "v", "emptyDir": {}}, {"name": "w", "secret": {"items": [{"key": "a", "path": "b"}]}}],
    "tolerations": [{"key": "a", "operator": "Exists"}], "nodeSelector": {"a": "b"},
}  # fmt: skip
TEMPLATE: Json = {"metadata": {"labels": {"app": "a"}}, "spec": POD_SPEC}
SCALED: Json = {"selector": {"matchLabels": {"app": "a"}}, "template": TEMPLATE, "replicas": 1}
OBJECTS: list[tuple[ResourceRef, Json]] = [
    (ResourceRef("", "v1", "pods"), {"spec": POD_SPEC, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}),
    (
        ResourceRef("", "v1", "services"),
        {
            "spec": {
                "type": "NodePort",
                "ports": [{"port": 80, "targetPort": "http", "nodePort": 30100}],
                "clusterIP": "10.96.3.3",
            }
        },
    ),
    (ResourceRef("", "v1", "configmaps"), {"data": {"a": "b"}, "binaryData": {"c": "aGk="}, "immutable": False}),
    (ResourceRef("", "v1", "secrets"), {"data": {"a": "aGk="}, "stringData": {"c": "d"}, "type": "Opaque"}),
    (ResourceRef("", "v1", "endpoints"), {"subsets": [{"addresses": [{"ip": "192.0.2.4"}], "ports": [{"port": 80}]}]}),
    (ResourceRef("apps", "v1", "deployments"), {"spec": {**SCALED, "strategy": {"rollingUpdate": {"maxSurge": "25%"}}}}),
    (ResourceRef("apps", "v1", "replicasets"), {"spec": SCALED}),
    (ResourceRef("coordination.k8s.io", "v1", "leases"), {"spec": {"renewTime": "2026-01-01T00:00:00.000000Z"}}),
    (
        ResourceRef("discovery.k8s.io", "v1", "endpointslices"),
        {"addressType": "IPv4", "endpoints": [{"addresses": ["192.0.2.4"]}], "ports": [{"port": 80}]},
    ),
]
VALUES: list[Any] = [
    None, "", 0, -1, [], {}, "x", True, "A_B", [None], [{}], {"": ""}, {"a": None}, 10**12, 1.5, "None", "é" * 300, ["a", "a"],
]  # fmt: skip


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*above, key)
        yield from places(item, (*above, key))


def mutilated(obj: Json, chance: random.Random) -> Json:
    obj = copy.deepcopy(obj)
    place = chance.choice(list(places(obj)))
    parent: Any = obj
    for step in place[:-1]:
        parent = parent[step]
    if chance.random() < 0.3:
        del parent[place[-1]]
    else:
        parent[place[-1]] = copy.deepcopy(chance.choice(VALUES))
    return obj


@pytest.mark.parametrize("seed", range(3))
async def test_mutilated_objects_are_refused_or_stored_but_break_nothing(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    outcomes = {"stored": 0, "refused": 0}
    async with api_world(tmp_path) as world:
        verbs = world.registry
        for number in range(250):
            resource, content = chance.choice(OBJECTS)
            whole = {"metadata": {"name": f"x{number}", "labels": {"a": "b"}, "annotations": {"c": "d"}}, **content}
            try:
                first = mutilated(whole, chance) if chance.random() < 0.5 else copy.deepcopy(whole)
                stored = decode(await verbs.create(resource, "default", first))
                outcomes["stored"] += 1
                name = stored["metadata"]["name"]
                if chance.random() < 0.5:
                    await verbs.update(resource, "default", name, mutilated(stored, chance))
                else:
                    patch = mutilated(whole, chance)
                    await verbs.patch(resource, "default", name, "application/strategic-merge-patch+json", patch)
                await verbs.delete(resource, "default", name, DeleteOptions(grace_period_seconds=0))
            except StatusError as error:
                if not 400 <= error.code < 500:
                    raise
                outcomes["refused"] += 1
    assert min(outcomes.values()) > 40, outcomes
