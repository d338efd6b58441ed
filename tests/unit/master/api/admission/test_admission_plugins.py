"""What admission adds to a pod, and what it refuses."""

from collections.abc import Sequence
from typing import Any

import pytest

from master.api.admission.chain import AdmissionChain
from master.api.admission.protocol import AdmissionContext, AdmissionRequest, Operation
from master.client.errors import StatusError
from master.client.protocol import ResourceRef
from tests.unit.master.api.admission.lookups import Lookups

Json = dict[str, Any]
PODS = ResourceRef("", "v1", "pods")
NAMESPACES = ResourceRef("", "v1", "namespaces")


class Objects(Lookups):
    """An ObjectReader of what the test says is there; every namespace has its account `default`."""

    def __init__(self, *names: str, terminating: str = "") -> None:
        self._names = (*names, "serviceaccounts/default")
        self._terminating = terminating

    async def read(self, group: str, plural: str, namespace: str, name: str) -> Json | None:
        if f"{plural}/{name}" not in self._names:
            return None
        going = {"deletionTimestamp": "2026-01-01T00:00:00Z"} if name == self._terminating else {}
        return {"metadata": {"name": name, **going}}

    async def read_all(self, group: str, plural: str, namespace: str = "") -> Sequence[Json]:
        return ()


class Unwritten:
    """An ObjectWriter that nobody may use."""

    async def update(self, *_: object, **__: object) -> bytes:
        raise AssertionError("nothing is written here")


def chain(objects: Objects) -> AdmissionChain:
    return AdmissionChain(AdmissionContext(reader=objects, writer=Unwritten()))


async def admitted(objects: Objects, spec: Json | None = None, old: Json | None = None) -> Json:
    operation: Operation = "UPDATE" if old else "CREATE"
    obj: Json = {"metadata": {"name": "p"}, "spec": spec or {}}
    await chain(objects).admit(AdmissionRequest(operation, PODS, "Pod", "a", "p", old=old), obj)
    admitted_spec: Json = obj["spec"]
    return admitted_spec


async def test_a_pod_gets_account_priority_and_tolerations() -> None:
    assert await admitted(Objects("namespaces/a")) == {
        "serviceAccountName": "default",
        "serviceAccount": "default",
        "priority": 0,
        "preemptionPolicy": "PreemptLowerPriority",
        "tolerations": [
            {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
            for key in ("not-ready", "unreachable")
        ],
    }


async def test_a_pod_s_own_tolerations_stay() -> None:
    everything = [{"operator": "Exists"}]
    assert (await admitted(Objects("namespaces/a"), {"tolerations": everything}))["tolerations"] == everything
    short = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}
    got = (await admitted(Objects("namespaces/a"), {"tolerations": [short]}))["tolerations"]
    assert [toleration["tolerationSeconds"] for toleration in got] == [5, 300]


async def test_admission_is_idempotent() -> None:
    once = await admitted(Objects("namespaces/a"))
    assert await admitted(Objects("namespaces/a"), dict(once)) == once


async def test_an_update_keeps_the_priority_that_a_client_leaves_out() -> None:
    old = {"metadata": {"name": "p"}, "spec": {"priority": 7, "preemptionPolicy": "Never"}}
    got = await admitted(Objects("namespaces/a"), old=old)
    assert (got["priority"], got["preemptionPolicy"]) == (7, "Never")


@pytest.mark.parametrize(
    ("objects", "spec", "code", "message"),
    [
        (Objects(), {}, 404, 'namespaces "a" not found'),
        (Objects("namespaces/a", terminating="a"), {}, 403, "because it is being terminated"),
        (Objects("namespaces/a"), {"serviceAccountName": "bob"}, 403, 'serviceaccount "bob" not found'),
        (Objects("namespaces/a"), {"priorityClassName": "high"}, 403, "no PriorityClass with name high was found"),
        (Objects("namespaces/a"), {"priority": 5}, 403, r"the integer value of priority \(5\) must not be provided"),
    ],
)
async def test_what_is_refused(objects: Objects, spec: Json, code: int, message: str) -> None:
    with pytest.raises(StatusError, match=message) as caught:
        await admitted(objects, spec)
    assert caught.value.code == code


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
async def test_the_system_s_namespaces_may_not_be_deleted(name: str) -> None:
    with pytest.raises(StatusError, match="this namespace may not be deleted"):
        await chain(Objects()).admit(AdmissionRequest("DELETE", NAMESPACES, "Namespace", "", name), {})


async def test_other_namespaces_may() -> None:
    await chain(Objects()).admit(AdmissionRequest("DELETE", NAMESPACES, "Namespace", "", "team"), {})


NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, [NOT_READY]),
        ({"taints": [{"key": "gpu", "effect": "NoSchedule"}]}, [{"key": "gpu", "effect": "NoSchedule"}, NOT_READY]),
        ({"taints": [NOT_READY]}, [NOT_READY]),
    ],
)
async def test_a_new_node_takes_no_pods_before_it_is_ready(given: Json, expected: list[Json]) -> None:
    obj: Json = {"metadata": {"name": "n"}, "spec": given}
    await chain(Objects()).admit(AdmissionRequest("CREATE", ResourceRef("", "v1", "nodes"), "Node", "", "n"), obj)
    assert obj["spec"]["taints"] == expected


async def test_a_node_that_exists_is_tainted_by_nobody_here() -> None:
    old: Json = {"metadata": {"name": "n"}, "spec": {}}
    request = AdmissionRequest("UPDATE", ResourceRef("", "v1", "nodes"), "Node", "", "n", old=old)
    obj: Json = {"metadata": {"name": "n"}, "spec": {}}
    await chain(Objects()).admit(request, obj)
    assert obj["spec"] == {}
