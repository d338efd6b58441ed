"""What a node may write, and that all else is refused."""

import copy
from collections.abc import Sequence
from typing import Any

import pytest

from master.api.admission.plugins.node_restriction import NodeRestriction
from master.api.admission.protocol import AdmissionRequest, Operation
from master.api.auth.protocol import UserInfo
from master.client.errors import StatusError
from master.client.protocol import ResourceRef

Json = dict[str, Any]
NODE = UserInfo("system:node:n1", groups=("system:nodes",))
POD: Json = {"metadata": {"name": "p", "uid": "u-p"}, "spec": {"nodeName": "n1"}}
THEIRS: Json = {"metadata": {"name": "q", "uid": "u-q"}, "spec": {"nodeName": "n2"}}
OWNER: Json = {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "u-n1", "controller": True}
MIRROR: Json = {
    "metadata": {"name": "m", "annotations": {"kubernetes.io/config.mirror": "x"}, "ownerReferences": [OWNER]},
    "spec": {"nodeName": "n1", "containers": [{"name": "c"}]},
}
OWN: Json = {"metadata": {"name": "n1", "labels": {"a": "b", "kubernetes.io/os": "linux"}}, "spec": {}}
CLAIM: Json = {"metadata": {"name": "c"}, "spec": {"x": 1}, "status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}}
TOKEN: Json = {"spec": {"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u-p"}}}


class Objects:
    """An ObjectReader of two pods and a node."""

    async def read(self, group: str, plural: str, namespace: str, name: str) -> Json | None:
        known = {("pods", "p"): POD, ("pods", "q"): THEIRS, ("nodes", "n1"): {"metadata": {"name": "n1", "uid": "u-n1"}}}
        return copy.deepcopy(known.get((plural, name)))

    async def read_all(self, group: str, plural: str, namespace: str = "") -> Sequence[Json]:
        return ()


async def judge(
    operation: Operation,
    what: str,
    obj: Json,
    *,
    old: Json | None = None,
    namespace: str = "ns",
    name: str = "",
    user: UserInfo = NODE,
) -> str:
    """Why a write is refused, or "". `what`: `group/resource:subresource`."""
    group, _, resource = what.rpartition("/")
    plural, _, subresource = resource.partition(":")
    named = name or (obj.get("metadata") or {}).get("name", "")
    request = AdmissionRequest(operation, ResourceRef(group, "v1", plural), "X", namespace, named, subresource, old, user=user)
    refused: StatusError | None = None
    try:
        await NodeRestriction(Objects()).validate(request, obj)
    except StatusError as error:
        refused = error
    assert refused is None or refused.code in (403, 404)
    return refused.message if refused else ""


def changed(obj: Json, **fields: Any) -> Json:
    """A copy with these fields of metadata, spec or status (`spec__taints`)."""
    made = copy.deepcopy(obj)
    for path, value in fields.items():
        part, _, field = path.partition("__")
        made.setdefault(part, {})[field] = value
    return made


async def test_others_are_not_restricted() -> None:
    assert await judge("CREATE", "pods", POD, user=UserInfo("jane")) == ""


async def test_a_node_writes_its_own_node_alone() -> None:
    assert await judge("CREATE", "nodes", OWN) == ""
    assert await judge("UPDATE", "nodes:status", changed(OWN, status__x=1), old=OWN) == ""
    other = changed(OWN, metadata__name="n2")
    for operation in ("CREATE", "UPDATE", "DELETE"):
        refused = await judge(operation, "nodes", other, old=other)
        assert refused == 'nodes "n2" is forbidden: node "n1" is not allowed to modify node "n2"'


@pytest.mark.parametrize(
    ("label", "allowed"),
    [
        ("mine", True),
        ("example.com/a", True),
        ("kubernetes.io/os", True),
        ("topology.kubernetes.io/zone", True),
        ("kubelet.kubernetes.io/x", True),
        ("a.node.kubernetes.io/x", True),
        ("node-role.kubernetes.io/control-plane", False),
        ("kubernetes.io/other", False),
        ("x.k8s.io/y", False),
        ("node-restriction.kubernetes.io/x", False),
        ("team.node-restriction.kubernetes.io/x", False),
    ],
)
async def test_a_node_sets_no_label_that_steers_pods(label: str, allowed: bool) -> None:
    labels = {**OWN["metadata"]["labels"], label: "new"}
    made, was = changed(OWN, metadata__labels=labels), changed(OWN, metadata__labels={label: "old"})
    assert (await judge("CREATE", "nodes", made) == "") is allowed
    assert (await judge("UPDATE", "nodes", made, old=was) == "") is allowed
    assert (await judge("UPDATE", "nodes:status", made, old=was) == "") is allowed
    gone = changed(was, metadata__labels={})
    assert (await judge("UPDATE", "nodes", gone, old=was) == "") is allowed
    empty = changed(OWN, metadata__labels={label: ""})
    assert (await judge("CREATE", "nodes", empty) == "") is allowed


async def test_a_node_changes_neither_its_taints_nor_its_owners() -> None:
    tainted = changed(OWN, spec__taints=[{"key": "a", "effect": "NoSchedule"}])
    assert "not allowed to modify taints" in await judge("UPDATE", "nodes", OWN, old=tainted)
    assert "not allowed to modify taints" in await judge("UPDATE", "nodes:status", tainted, old=OWN)
    owned = changed(OWN, metadata__ownerReferences=[OWNER])
    for subresource in ("nodes", "nodes:status"):
        assert "not allowed to modify ownerReferences" in await judge("UPDATE", subresource, owned, old=OWN)
    assert await judge("CREATE", "nodes", tainted) == ""


async def test_a_node_makes_mirrors_of_its_own_pods() -> None:
    assert await judge("CREATE", "pods", MIRROR) == ""


@pytest.mark.parametrize(
    ("mirror", "why"),
    [
        (changed(MIRROR, metadata__annotations={}), "can only create mirror pods"),
        (changed(MIRROR, spec__nodeName="n2"), "can only create pods with spec.nodeName set to itself"),
        (changed(MIRROR, metadata__ownerReferences=[]), "with an owner reference set to itself"),
        (changed(MIRROR, metadata__ownerReferences=[OWNER, OWNER]), "with a single owner reference"),
        (changed(MIRROR, metadata__ownerReferences=[{**OWNER, "name": "n2"}]), "with an owner reference set to itself"),
        (changed(MIRROR, metadata__ownerReferences=[{**OWNER, "controller": False}]), "a controller owner reference"),
        (changed(MIRROR, metadata__ownerReferences=[{**OWNER, "blockOwnerDeletion": True}]), "blockOwnerDeletion"),
        (changed(MIRROR, metadata__ownerReferences=[{**OWNER, "uid": "x"}]), "UID mismatch: expected x got u-n1"),
        (changed(MIRROR, spec__serviceAccountName="s"), "reference a service account"),
        (changed(MIRROR, spec__volumes=[{"name": "v", "secret": {"secretName": "s"}}]), "reference secrets"),
        (changed(MIRROR, spec__volumes=[{"name": "v", "configMap": {"name": "s"}}]), "reference configmaps"),
        (
            changed(MIRROR, spec__volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "s"}}]),
            "reference persistentvolumeclaims",
        ),
        (
            changed(MIRROR, spec__volumes=[{"name": "v", "projected": {"sources": [{"clusterTrustBundle": {}}]}}]),
            "reference clustertrustbundles",
        ),
        (changed(MIRROR, spec__resourceClaims=[{"name": "r"}]), "reference resourceclaims"),
    ],
)
async def test_a_mirror_gains_a_node_nothing(mirror: Json, why: str) -> None:
    assert why in await judge("CREATE", "pods", mirror)


async def test_a_node_deletes_evicts_and_reports_its_own_pods_alone() -> None:
    assert await judge("DELETE", "pods", POD, old=POD) == ""
    assert "can only delete pods" in await judge("DELETE", "pods", THEIRS, old=THEIRS)
    assert await judge("CREATE", "pods:eviction", {"metadata": {}}, name="p") == ""
    assert "can only evict pods" in await judge("CREATE", "pods:eviction", {"metadata": {}}, name="q")
    assert "not found" in await judge("CREATE", "pods:eviction", {"metadata": {}}, name="none")
    assert await judge("UPDATE", "pods:status", changed(POD, status__phase="Running"), old=POD) == ""
    assert "can only update pod status" in await judge("UPDATE", "pods:status", changed(THEIRS, status__phase="x"), old=THEIRS)
    # The node of the pod as it is counts, not what the node sends.
    assert "can only update pod status" in await judge(
        "UPDATE", "pods:status", changed(THEIRS, spec__nodeName="n1"), old=THEIRS
    )
    labelled = changed(POD, metadata__labels={"a": "b"})
    assert "cannot update labels through pod status" in await judge("UPDATE", "pods:status", labelled, old=POD)
    claims = changed(POD, status__resourceClaimStatuses=[{"name": "a", "resourceClaimName": "b"}])
    assert "resource claim" in await judge("UPDATE", "pods:status", claims, old=POD)
    assert "can only create and delete mirror pods" in await judge("UPDATE", "pods", POD, old=POD)
    assert "unexpected pod subresource" in await judge("UPDATE", "pods:ephemeralcontainers", POD, old=POD)
    assert "unexpected pod subresource" in await judge("CREATE", "pods:binding", POD)


async def test_a_node_writes_its_lease_and_csi_node_alone() -> None:
    leases, csi = "coordination.k8s.io/leases", "storage.k8s.io/csinodes"
    own, other = {"metadata": {"name": "n1"}}, {"metadata": {"name": "n2"}}
    for operation in ("CREATE", "UPDATE", "DELETE"):
        for what, where in ((leases, "kube-node-lease"), (csi, "")):
            assert await judge(operation, what, own, namespace=where) == ""
            refused = await judge(operation, what, other, namespace=where)
            assert "with the same name as the requesting node" in refused
    assert 'in the "kube-node-lease" system namespace' in await judge("CREATE", leases, own, namespace="kube-system")


async def test_a_node_writes_of_a_claim_only_size_and_conditions() -> None:
    grown = changed(CLAIM, status__capacity={"storage": "2Gi"}, status__conditions=[{"type": "x"}])
    assert await judge("UPDATE", "persistentvolumeclaims:status", grown, old=CLAIM) == ""
    for wrong in (
        changed(CLAIM, status__phase="Lost"),
        changed(CLAIM, metadata__labels={"a": "b"}),
        changed(CLAIM, spec__x=2),
    ):
        assert "not allowed to update fields other than" in await judge(
            "UPDATE", "persistentvolumeclaims:status", wrong, old=CLAIM
        )
    assert "may only update PVC status" in await judge("UPDATE", "persistentvolumeclaims", CLAIM, old=CLAIM)


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ({}, ""),
        ({"kind": "Secret"}, "not bound to a pod"),
        ({"name": ""}, "not bound to a pod"),
        ({"uid": ""}, "without a uid"),
        ({"uid": "old"}, "does not match the UID in record"),
        ({"name": "q", "uid": "u-q"}, "scheduled on a different node"),
        ({"name": "gone"}, 'pods "gone" not found'),
    ],
)
async def test_a_node_gets_tokens_bound_to_its_pods_alone(reference: Json, why: str) -> None:
    asked = {"spec": {"boundObjectRef": {**TOKEN["spec"]["boundObjectRef"], **reference}}}
    said = await judge("CREATE", "serviceaccounts:token", asked, name="s")
    assert said == why if not why else why in said


async def test_an_unbound_token_is_none_for_a_node() -> None:
    assert "not bound to a pod" in await judge("CREATE", "serviceaccounts:token", {"spec": {}}, name="s")


async def test_a_node_without_a_name_writes_nothing() -> None:
    nameless = UserInfo("system:node:", groups=("system:nodes",))
    assert "could not determine node from user" in await judge("CREATE", "events", {"metadata": {"name": "e"}}, user=nameless)
