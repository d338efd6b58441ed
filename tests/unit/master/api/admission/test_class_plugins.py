"""Plugins that look up a class: Priority, DefaultStorageClass, DefaultIngressClass, RuntimeClass; and those of volumes."""

from typing import Any

import pytest

from master.api.admission.plugins.default_ingress_class import DefaultIngressClass
from master.api.admission.plugins.default_storage_class import DefaultStorageClass
from master.api.admission.plugins.persistent_volume_claim_resize import PersistentVolumeClaimResize
from master.api.admission.plugins.priority import Priority
from master.api.admission.plugins.runtime_class import RuntimeClass
from master.api.admission.plugins.storage_object_in_use_protection import StorageObjectInUseProtection
from master.client.errors import StatusError
from tests.unit.master.api.admission.stored import Stored, request

Json = dict[str, Any]


def priority_class(name: str, value: int, **fields: Any) -> Json:
    return {"metadata": {"name": name}, "value": value, "preemptionPolicy": "PreemptLowerPriority", **fields}


HIGH = priority_class("high", 1000, preemptionPolicy="Never")


async def prioritised(classes: list[Json], **spec: Any) -> Json:
    obj: Json = {"metadata": {"name": "x"}, "spec": dict(spec)}
    await Priority(Stored(priorityclasses=classes)).admit(request("pods"), obj)
    admitted: Json = obj["spec"]
    return admitted


async def test_a_pod_gets_its_class_s_priority_and_policy() -> None:
    got = await prioritised([HIGH], priorityClassName="high")
    assert got == {"priorityClassName": "high", "priority": 1000, "preemptionPolicy": "Never"}


async def test_a_pod_without_a_class_gets_the_global_default() -> None:
    default = priority_class("usual", 7, globalDefault=True)
    assert await prioritised([HIGH, default]) == {
        "priorityClassName": "usual", "priority": 7, "preemptionPolicy": "PreemptLowerPriority",
    }  # fmt: skip
    assert await prioritised([HIGH]) == {"priority": 0, "preemptionPolicy": "PreemptLowerPriority"}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"priorityClassName": "low"}, "no PriorityClass with name low was found"),
        (
            {"priorityClassName": "high", "priority": 1},
            r"the integer value of priority \(1\) must not be provided in pod spec; .* computed 1000 from",
        ),
        (
            {"priorityClassName": "high", "preemptionPolicy": "PreemptLowerPriority"},
            r"the string value of PreemptionPolicy \(PreemptLowerPriority\) must not be .* computed Never",
        ),
    ],
)
async def test_a_priority_that_is_not_the_class_s_is_refused(spec: Json, message: str) -> None:
    with pytest.raises(StatusError, match=message) as caught:
        await prioritised([HIGH], **spec)
    assert caught.value.code == 403


async def test_there_is_one_global_default() -> None:
    plugin = Priority(Stored(priorityclasses=[priority_class("usual", 7, globalDefault=True)]))
    group = "scheduling.k8s.io"
    second = request("priorityclasses", group=group, namespace="", name="other")
    with pytest.raises(StatusError, match="PriorityClass usual is already marked as default"):
        await plugin.validate(second, priority_class("other", 1, globalDefault=True))
    itself = request("priorityclasses", group=group, namespace="", name="usual", operation="UPDATE", old={})
    await plugin.validate(itself, priority_class("usual", 7, globalDefault=True))
    await plugin.validate(second, priority_class("other", 1))


def a_class(name: str, annotation: str, created: str = "2026-01-01T00:00:00Z", marked: str = "true") -> Json:
    return {"metadata": {"name": name, "creationTimestamp": created, "annotations": {annotation: marked}}}


STORAGE = "storageclass.kubernetes.io/is-default-class"
INGRESS = "ingressclass.kubernetes.io/is-default-class"


@pytest.mark.parametrize(
    ("classes", "spec", "expected"),
    [
        ([], {}, None),
        ([a_class("one", STORAGE, marked="false")], {}, None),
        ([a_class("old", STORAGE), a_class("new", STORAGE, "2026-02-01T00:00:00Z")], {}, "new"),
        ([a_class("one", STORAGE)], {"storageClassName": ""}, ""),
        ([a_class("one", STORAGE)], {"storageClassName": "mine"}, "mine"),
    ],
)
async def test_the_default_storage_class(classes: list[Json], spec: Json, expected: str | None) -> None:
    obj: Json = {"metadata": {}, "spec": dict(spec)}
    await DefaultStorageClass(Stored(storageclasses=classes)).admit(request("persistentvolumeclaims"), obj)
    assert obj["spec"].get("storageClassName") == expected


async def test_the_default_ingress_class() -> None:
    plugin = DefaultIngressClass(Stored(ingressclasses=[a_class("nginx", INGRESS)]))
    asked = request("ingresses", group="networking.k8s.io")
    plain: Json = {"metadata": {}, "spec": {}}
    await plugin.admit(asked, plain)
    assert plain["spec"] == {"ingressClassName": "nginx"}
    annotated: Json = {"metadata": {"annotations": {"kubernetes.io/ingress.class": "other"}}, "spec": {}}
    await plugin.admit(asked, annotated)
    assert annotated["spec"] == {}


KATA: Json = {
    "metadata": {"name": "kata"},
    "overhead": {"podFixed": {"memory": "64Mi"}},
    "scheduling": {"nodeSelector": {"runtime": "kata"}, "tolerations": [{"key": "kata", "operator": "Exists"}]},
}


async def run_by(**spec: Any) -> Json:
    obj: Json = {"metadata": {"name": "x"}, "spec": dict(spec)}
    plugin = RuntimeClass(Stored(runtimeclasses=[KATA]))
    await plugin.admit(request("pods"), obj)
    await plugin.validate(request("pods"), obj)
    admitted: Json = obj["spec"]
    return admitted


async def test_a_pod_gets_what_its_runtime_class_says() -> None:
    own = {"key": "own", "operator": "Exists"}
    got = await run_by(runtimeClassName="kata", nodeSelector={"disk": "ssd"}, tolerations=[own])
    assert got["overhead"] == {"memory": "64Mi"}
    assert got["nodeSelector"] == {"disk": "ssd", "runtime": "kata"}
    assert got["tolerations"] == [own, {"key": "kata", "operator": "Exists"}]
    assert await run_by(nodeSelector={"a": "b"}) == {"nodeSelector": {"a": "b"}}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"runtimeClassName": "none"}, 'pod rejected: RuntimeClass "none" not found'),
        ({"overhead": {"memory": "1Mi"}}, "Pod Overhead set without corresponding RuntimeClass defined Overhead"),
        ({"runtimeClassName": "kata", "overhead": {"memory": "1Mi"}}, "doesn't match RuntimeClass's defined Overhead"),
        (
            {"runtimeClassName": "kata", "nodeSelector": {"runtime": "runc"}},
            r"conflict: runtimeClass.scheduling.nodeSelector\[runtime\] = kata; pod.spec.nodeSelector\[runtime\] = runc",
        ),
    ],
)
async def test_what_does_not_fit_a_runtime_class_is_refused(spec: Json, message: str) -> None:
    with pytest.raises(StatusError, match=message):
        await run_by(**spec)


@pytest.mark.parametrize(
    ("plural", "finalizer"), [("persistentvolumes", "pv"), ("persistentvolumeclaims", "pvc"), ("pods", "")]
)
async def test_storage_is_born_protected(plural: str, finalizer: str) -> None:
    obj: Json = {"metadata": {}}
    plugin = StorageObjectInUseProtection()
    for _ in range(2):
        await plugin.admit(request(plural), obj)
    assert obj["metadata"].get("finalizers") == ([f"kubernetes.io/{finalizer}-protection"] if finalizer else None)


def claim(size: str, phase: str = "Bound", name: str = "fast") -> Json:
    spec = {"storageClassName": name, "resources": {"requests": {"storage": size}}}
    return {"metadata": {"name": "x"}, "spec": spec, "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (claim("1Gi"), claim("2Gi"), ""),
        (claim("1Gi", "Pending"), claim("2Gi"), "Only bound persistent volume claims can be expanded"),
        (claim("1Gi", name="slow"), claim("2Gi", name="slow"), "the storageclass that provisions the pvc must support resize"),
        (claim("1Gi", name=""), claim("2Gi", name=""), "only dynamically provisioned pvc can be resized"),
        (claim("2Gi", "Pending"), claim("2Gi"), ""),
    ],
)
async def test_only_bound_claims_of_growing_classes_grow(old: Json, new: Json, message: str) -> None:
    classes: list[Json] = [{"metadata": {"name": "fast"}, "allowVolumeExpansion": True}, {"metadata": {"name": "slow"}}]
    plugin = PersistentVolumeClaimResize(Stored(storageclasses=classes))
    asked = request("persistentvolumeclaims", operation="UPDATE", old=old)
    if not message:
        await plugin.validate(asked, new)
        return
    with pytest.raises(StatusError, match=message):
        await plugin.validate(asked, new)
