"""What a node may read and ask: its own pods, what they use, and nothing of another node."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from master.api.auth.node.authorizer import NodeAuthorizer
from master.api.auth.node.identity import node_of
from master.api.auth.node.references import claims_of, config_maps_of, secrets_of
from master.api.auth.protocol import Attributes, UserInfo
from master.store.cached import CachedObject, cached
from master.store.protocol import KeyValue

Json = dict[str, Any]
NODE = UserInfo("system:node:n1", groups=("system:nodes", "system:authenticated"))


def pod(name: str, node: str, **spec: Any) -> Json:
    return {"metadata": {"name": name, "namespace": "ns"}, "spec": {"nodeName": node, **spec}}


def volume(name: str, **source: Any) -> Json:
    return {"name": name, **source}


MINE = pod(
    "mine",
    "n1",
    serviceAccountName="robot",
    imagePullSecrets=[{"name": "pull"}],
    volumes=[
        volume("a", secret={"secretName": "files"}),
        volume("b", configMap={"name": "settings"}),
        volume("c", persistentVolumeClaim={"claimName": "data"}),
        volume("d", ephemeral={"volumeClaimTemplate": {}}),
        volume("e", projected={"sources": [{"secret": {"name": "part"}}, {"configMap": {"name": "more"}}]}),
        volume("f", csi={"driver": "x", "nodePublishSecretRef": {"name": "csi"}}),
    ],
    containers=[
        {
            "name": "c",
            "env": [
                {"name": "A", "valueFrom": {"secretKeyRef": {"name": "key", "key": "k"}}},
                {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "line", "key": "k"}}},
            ],
            "envFrom": [{"secretRef": {"name": "all"}}, {"configMapRef": {"name": "rest"}}],
        }
    ],
    initContainers=[{"name": "i", "envFrom": [{"secretRef": {"name": "early"}}]}],
)
OTHERS = pod("theirs", "n2", serviceAccountName="other", volumes=[volume("a", secret={"secretName": "hidden"})])
MIRROR = pod("mirror", "n1", volumes=[volume("a", secret={"secretName": "wanted"})])
MIRROR["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
CLAIMED: Json = {
    "metadata": {"name": "disk"},
    "spec": {"claimRef": {"namespace": "ns", "name": "data"}, "iscsi": {"secretRef": {"name": "chap", "namespace": "ns"}}},
}
UNCLAIMED: Json = {"metadata": {"name": "spare"}, "spec": {"claimRef": {"namespace": "ns", "name": "elsewhere"}}}


class Objects:
    """A cache of what the test says is there (`master.api.auth.node.related.CachedObjects`)."""

    def __init__(self) -> None:
        self._objects: dict[str, CachedObject] = {}

    def put(self, resource: str, obj: Json) -> None:
        metadata = obj["metadata"]
        key = f"/registry/{resource}/{metadata.get('namespace', '-')}/{metadata['name']}"
        raw = json.dumps(obj, separators=(",", ":")).encode()
        self._objects[key] = cached(KeyValue(key, raw, 1, 1))

    def get(self, key: str) -> CachedObject | None:
        return self._objects.get(key)

    def list(self, prefix: str) -> tuple[Sequence[CachedObject], int]:
        return [one for key, one in self._objects.items() if key.startswith(prefix)], 1


@pytest.fixture
def nodes() -> NodeAuthorizer:
    objects = Objects()
    for one in (MINE, OTHERS, MIRROR):
        objects.put("core/pods", one)
    for one in (CLAIMED, UNCLAIMED):
        objects.put("core/persistentvolumes", one)
    for name, node in (("at-1", "n1"), ("at-2", "n2")):
        objects.put("storage.k8s.io/volumeattachments", {"metadata": {"name": name}, "spec": {"nodeName": node}})
    return NodeAuthorizer(objects)


def wants(verb: str, what: str, *, namespace: str = "", selector: str = "", user: UserInfo = NODE) -> Attributes:
    """`group/resource/name` or `resource/name` or `resource:subresource/name`."""
    *group, resource, name = what.split("/")
    resource, _, subresource = resource.partition(":")
    return Attributes(
        user, verb, group=group[0] if group else "", version="v1", resource=resource, subresource=subresource,
        namespace=namespace, name=name, field_selector=selector,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["pull", "files", "part", "csi", "key", "all", "early", "chap"])
@pytest.mark.parametrize("verb", ["get", "list", "watch"])
def test_a_node_reads_the_secrets_of_its_pods(nodes: NodeAuthorizer, verb: str, name: str) -> None:
    assert nodes.authorize(wants(verb, f"secrets/{name}", namespace="ns")).allowed


@pytest.mark.parametrize("name", ["hidden", "wanted", "nothing", "pul", ""])
def test_a_node_reads_no_other_secrets(nodes: NodeAuthorizer, name: str) -> None:
    for verb in ("get", "list", "watch"):
        decision = nodes.authorize(wants(verb, f"secrets/{name}", namespace="ns"))
        reason = "no relationship found between node 'n1' and this object" if name else "No Object name found"
        assert (decision.allowed, decision.reason) == (False, reason)


ALLOWED = [
    ("get", "configmaps/settings", "ns", ""),
    ("get", "configmaps/more", "ns", ""),
    ("get", "configmaps/line", "ns", ""),
    ("watch", "configmaps/rest", "ns", ""),
    ("get", "persistentvolumeclaims/data", "ns", ""),
    ("get", "persistentvolumeclaims/mine-d", "ns", ""),
    ("patch", "persistentvolumeclaims:status/data", "ns", ""),
    ("get", "persistentvolumes/disk", "", ""),
    ("get", "storage.k8s.io/volumeattachments/at-1", "", ""),
    ("create", "serviceaccounts:token/robot", "ns", ""),
    ("get", "pods/mine", "ns", ""),
    ("list", "pods/", "", "spec.nodeName=n1"),
    ("watch", "pods/", "", "spec.nodeName=n1,status.phase!=Failed"),
    ("list", "pods/mine", "ns", "metadata.name=mine"),
    ("create", "pods/", "ns", ""),
    ("delete", "pods/mine", "ns", ""),
    ("patch", "pods:status/mine", "ns", ""),
    ("create", "pods:eviction/mine", "ns", ""),
    ("get", "nodes/n1", "", ""),
    ("watch", "nodes/n1", "", "metadata.name=n1"),
    ("create", "nodes/", "", ""),
    ("patch", "nodes/n1", "", ""),
    ("update", "nodes:status/n1", "", ""),
    ("get", "coordination.k8s.io/leases/n1", "kube-node-lease", ""),
    ("create", "coordination.k8s.io/leases/", "kube-node-lease", ""),
    ("delete", "storage.k8s.io/csinodes/n1", "", ""),
    ("list", "services/", "", ""),
    ("create", "events/", "ns", ""),
    ("create", "certificates.k8s.io/certificatesigningrequests/", "", ""),
    ("list", "node.k8s.io/runtimeclasses/", "", ""),
    ("create", "authorization.k8s.io/subjectaccessreviews/", "", ""),
]
FORBIDDEN = [
    ("list", "secrets/", "", ""),
    ("list", "secrets/", "ns", ""),
    ("get", "secrets/files", "other", ""),
    ("get", "secrets/files", "", ""),
    ("get", "secrets:status/files", "ns", ""),
    ("update", "secrets/files", "ns", ""),
    ("delete", "secrets/files", "ns", ""),
    ("create", "secrets/", "ns", ""),
    ("list", "configmaps/", "ns", ""),
    ("patch", "configmaps/settings", "ns", ""),
    ("list", "persistentvolumeclaims/data", "ns", ""),
    ("update", "persistentvolumeclaims/data", "ns", ""),
    ("get", "persistentvolumeclaims/elsewhere", "ns", ""),
    ("get", "persistentvolumes/spare", "", ""),
    ("list", "persistentvolumes/", "", ""),
    ("get", "storage.k8s.io/volumeattachments/at-2", "", ""),
    ("create", "serviceaccounts:token/other", "ns", ""),
    ("create", "serviceaccounts:token/robot", "other", ""),
    ("get", "serviceaccounts/robot", "ns", ""),
    ("create", "serviceaccounts/", "ns", ""),
    ("get", "pods/theirs", "ns", ""),
    ("list", "pods/", "", ""),
    ("list", "pods/", "", "spec.nodeName=n2"),
    ("list", "pods/", "", "spec.nodeName!=n1"),
    ("list", "pods/", "ns", "status.phase=Running"),
    ("update", "pods/mine", "ns", ""),
    ("patch", "pods/mine", "ns", ""),
    ("deletecollection", "pods/", "ns", ""),
    ("create", "pods:binding/mine", "ns", ""),
    ("create", "pods:exec/mine", "ns", ""),
    ("get", "pods:log/mine", "ns", ""),
    ("patch", "pods:ephemeralcontainers/mine", "ns", ""),
    ("get", "nodes/n2", "", ""),
    ("list", "nodes/", "", ""),
    ("delete", "nodes/n1", "", ""),
    ("get", "nodes:proxy/n1", "", ""),
    ("get", "coordination.k8s.io/leases/n2", "kube-node-lease", ""),
    ("get", "coordination.k8s.io/leases/n1", "kube-system", ""),
    ("list", "coordination.k8s.io/leases/", "kube-node-lease", ""),
    ("update", "storage.k8s.io/csinodes/n2", "", ""),
    ("list", "storage.k8s.io/csinodes/", "", ""),
    ("update", "certificates.k8s.io/certificatesigningrequests:approval/x", "", ""),
    ("create", "services/", "ns", ""),
    ("create", "rbac.authorization.k8s.io/clusterrolebindings/", "", ""),
    ("list", "namespaces/", "", ""),
    ("list", "apps/deployments/", "", ""),
    ("impersonate", "users/root", "", ""),
]


@pytest.mark.parametrize(("verb", "what", "namespace", "selector"), ALLOWED)
def test_a_node_may(nodes: NodeAuthorizer, verb: str, what: str, namespace: str, selector: str) -> None:
    question = wants(verb, what, namespace=namespace, selector=selector)
    assert nodes.authorize(question).allowed
    stranger = UserInfo("system:node:n1", groups=("system:authenticated",))
    assert not nodes.authorize(wants(verb, what, namespace=namespace, selector=selector, user=stranger)).allowed


@pytest.mark.parametrize(("verb", "what", "namespace", "selector"), FORBIDDEN)
def test_a_node_may_not(nodes: NodeAuthorizer, verb: str, what: str, namespace: str, selector: str) -> None:
    assert not nodes.authorize(wants(verb, what, namespace=namespace, selector=selector)).allowed


def test_another_node_reads_nothing_of_it(nodes: NodeAuthorizer) -> None:
    other = UserInfo("system:node:n2", groups=("system:nodes",))
    for name in ("secrets/files", "configmaps/settings", "persistentvolumeclaims/data", "pods/mine"):
        assert not nodes.authorize(wants("get", name, namespace="ns", user=other)).allowed
    assert nodes.authorize(wants("get", "secrets/hidden", namespace="ns", user=other)).allowed


def test_a_node_is_told_by_name_and_group() -> None:
    assert node_of(NODE) == "n1"
    assert node_of(UserInfo("system:node:", groups=("system:nodes",))) == ""
    assert node_of(UserInfo("system:node:n1")) is None
    assert node_of(UserInfo("n1", groups=("system:nodes",))) is None


def test_a_node_without_a_name_may_nothing(nodes: NodeAuthorizer) -> None:
    nameless = UserInfo("system:node:", groups=("system:nodes",))
    assert not nodes.authorize(wants("list", "services/", user=nameless)).allowed


def test_a_nodes_rules_are_not_all_that_it_may(nodes: NodeAuthorizer) -> None:
    rules = nodes.rules_for(NODE, "ns")
    assert (rules.incomplete, rules.errors) == (True, ["node authorizer does not support user rule resolution"])
    assert not nodes.rules_for(UserInfo("jane"), "ns").incomplete


def test_references_of_an_empty_pod_are_none() -> None:
    empty: Json = {"metadata": {"name": "p"}}
    assert (secrets_of(empty), config_maps_of(empty), claims_of(empty)) == (set(), set(), set())
