"""Resizing a running pod's containers."""

from copy import deepcopy
from typing import Any

import pytest

from master.api.kinds.pod import KIND
from master.api.registry.strategies.resize import Resize
from tests.unit.master.api.kinds.made import created, errors, updated

Json = dict[str, Any]

BOTH = [
    {"resourceName": "cpu", "restartPolicy": "NotRequired"},
    {"resourceName": "memory", "restartPolicy": "NotRequired"},
]


def pod(*containers: Json, init: list[Json] | None = None) -> Json:
    spec: Json = {"containers": [{"name": f"c{number}", "image": "b:1", **one} for number, one in enumerate(containers)]}
    if init:
        spec["initContainers"] = [{"image": "b:1", **one} for one in init]
    obj = created(KIND, {"metadata": {"name": "p", "labels": {"a": "b"}}, "spec": spec})
    obj["metadata"]["resourceVersion"] = "1"
    return obj


def asks(cpu: str, memory: str, limits: Json | None = None) -> Json:
    resources: Json = {"requests": {"cpu": cpu, "memory": memory}}
    if limits:
        resources["limits"] = limits
    return {"resources": resources}


def resize(old: Json, **container: Any) -> tuple[Json, list[str]]:
    """The first container of a pod resized, and what is wrong with that."""
    body = deepcopy(old)
    body["spec"]["containers"][0].update(container)
    obj = Resize().merge(KIND, old, body)
    return obj, [f"{cause.field}: {cause.message}" for cause in Resize().validate(KIND, obj, old)]


def test_a_new_pod_s_containers_can_be_resized_without_a_restart() -> None:
    restart = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
    obj = pod(asks("1", "1Gi"), {}, {**asks("1", "1Gi"), "resizePolicy": restart})
    first, second, third = obj["spec"]["containers"]
    assert first["resizePolicy"] == BOTH
    assert "resizePolicy" not in second
    assert third["resizePolicy"] == [*restart, BOTH[0]]
    assert errors(KIND, obj) == []


def test_an_update_without_the_policies_changes_nothing() -> None:
    old = pod(asks("1", "1Gi"))
    spec = deepcopy(old["spec"])
    del spec["containers"][0]["resizePolicy"]
    new = updated(KIND, old, spec=spec)
    assert errors(KIND, new, old) == []
    assert new["metadata"]["generation"] == 1
    # One that was stored without them runs on without.
    del old["spec"]["containers"][0]["resizePolicy"]
    assert "resizePolicy" not in updated(KIND, old)["spec"]["containers"][0]


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        ([{"resourceName": "disk", "restartPolicy": "NotRequired"}],
         'spec.containers[0].resizePolicy: Unsupported value: "disk": supported values: "cpu", "memory"'),
        ([BOTH[0], BOTH[0]], 'spec.containers[0].resizePolicy: Duplicate value: "cpu"'),
    ],
)  # fmt: skip
def test_errors_of_policies(policies: list[Json], expected: str) -> None:
    assert errors(KIND, pod({"resizePolicy": policies})) == [expected]


def test_a_resize_changes_resources_and_nothing_else() -> None:
    old = pod(asks("1", "1Gi"))
    obj, wrong = resize(old, image="other", **asks("2", "1Gi"))
    assert wrong == []
    container = obj["spec"]["containers"][0]
    assert (container["resources"]["requests"]["cpu"], container["image"]) == ("2", "b:1")
    assert obj["metadata"]["generation"] == 2
    assert obj["status"] == old["status"]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (asks("1", "1Gi"), {"resources": {}}, ["spec: Forbidden: Pod QOS Class may not change as a result of resizing",
         "spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed"]),
        (asks("1", "1Gi"), {"resources": {"requests": {"cpu": "1"}}},
         ["spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed"]),
        (asks("1", "1Gi", {"memory": "2Gi"}), asks("1", "1Gi", {"memory": "1Gi"}),
         ["spec.containers[0].resources.limits: Forbidden: memory limits cannot be decreased unless resizePolicy is "
          "RestartContainer"]),
        (asks("1", "1Gi"), {"resources": {"requests": {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1Gi"}}},
         ["spec: Forbidden: only cpu and memory resources are mutable"]),
        (asks("1", "1Gi"), {"name": "renamed"},
         ["spec.containers: Forbidden: containers may not be renamed or reordered on resize"]),
        (asks("2", "1Gi", {"cpu": "2"}), asks("3", "1Gi", {"cpu": "2"}),
         ['spec.containers[0].resources.requests: Invalid value: "3": must be less than or equal to cpu limit of 2']),
    ],
)  # fmt: skip
def test_what_a_resize_may_not_do(before: Json, after: Json, expected: list[str]) -> None:
    assert resize(pod(before), **after)[1] == expected


def test_only_a_node_that_says_what_containers_have_can_resize() -> None:
    old = pod(asks("1", "1Gi"))
    old["status"]["containerStatuses"] = [{"name": "c0", "state": {"running": {}}}]
    assert resize(old, **asks("2", "1Gi"))[1] == ["spec: Forbidden: Pod running on node without support for resize"]
    old["status"]["containerStatuses"][0]["resources"] = {}
    assert resize(old, **asks("2", "1Gi"))[1] == []


def test_sidecars_are_resized_and_other_init_containers_are_not() -> None:
    side = {"name": "s", "restartPolicy": "Always", **asks("1", "1Gi")}
    old = pod(asks("1", "1Gi"), init=[side, {"name": "i", **asks("1", "1Gi")}])
    for index, expected in enumerate(([], ["spec: Forbidden: resources for non-sidecar init containers are immutable"])):
        body = deepcopy(old)
        body["spec"]["initContainers"][index]["resources"]["requests"]["cpu"] = "2"
        obj = Resize().merge(KIND, old, body)
        assert [f"{c.field}: {c.message}" for c in Resize().validate(KIND, obj, old)] == expected


def test_static_pods_are_not_resized() -> None:
    old = pod(asks("1", "1Gi"))
    old["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    assert resize(old, **asks("2", "1Gi"))[1] == [": Forbidden: static pods cannot be resized"]
