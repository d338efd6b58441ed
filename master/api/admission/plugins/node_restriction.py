"""NodeRestriction: what a node may write, beyond what its authoriser can see from the request alone.

Its own Node without taints, owners or labels that steer pods to it; status of its own pods; mirror pods that refer to nothing;
its lease and CSINode; tokens bound to its pods. A validating plugin here, so that it judges what is stored.
Source: plugin/pkg/admission/noderestriction; ownerReferences: CVE-2025-5187.
"""

from master.api.admission.protocol import AdmissionContext, AdmissionRequest, ObjectReader, ValidatingPlugin
from master.api.auth.node.authorizer import LEASES_NAMESPACE
from master.api.auth.node.identity import node_of
from master.api.auth.node.references import (
    MIRROR_POD,
    claims_of,
    config_maps_of,
    is_mirror,
    secrets_of,
    service_account_of,
    uses_trust_bundles,
)
from master.client.errors import StatusError, forbidden, not_found
from master.client.protocol import Json

ORDER = 915

_RESTRICTED = "node-restriction.kubernetes.io"
#: Labels of Kubernetes' own that a node may set on itself.
_OWN_LABELS = frozenset(
    {
        "kubernetes.io/hostname",
        "kubernetes.io/os",
        "kubernetes.io/arch",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/arch",
        "beta.kubernetes.io/instance-type",
        "node.kubernetes.io/instance-type",
        "topology.kubernetes.io/zone",
        "topology.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region",
    }
)
_OWN_NAMESPACES = ("kubelet.kubernetes.io", "node.kubernetes.io")
#: What a node may change of a claim's status.
_CLAIM_STATUS = frozenset({"capacity", "conditions", "allocatedResources", "allocatedResourceStatuses"})
_OF_NO_MEANING = frozenset({"resourceVersion", "managedFields"})


class NodeRestriction:
    def __init__(self, reader: ObjectReader) -> None:
        self._reader = reader

    async def validate(self, request: AdmissionRequest, obj: Json) -> None:
        node = node_of(request.user)
        if node is None:
            return
        if not node:
            raise _refused(request, f'could not determine node from user "{request.user.name}"')
        match (request.resource.group, request.resource.plural):
            case ("", "pods"):
                await self._pod(node, request, obj)
            case ("", "nodes"):
                _check_node(node, request, obj)
            case ("", "persistentvolumeclaims"):
                _check_claim(node, request, obj)
            case ("", "serviceaccounts"):
                await self._token(node, request, obj)
            case ("coordination.k8s.io", "leases"):
                if request.namespace != LEASES_NAMESPACE:
                    raise _refused(request, f'can only access leases in the "{LEASES_NAMESPACE}" system namespace')
                _check_same_name(node, request, obj, "node lease")
            case ("storage.k8s.io", "csinodes"):
                _check_same_name(node, request, obj, "CSINode")

    async def _pod(self, node: str, request: AdmissionRequest, obj: Json) -> None:
        match (request.subresource, request.operation):
            case ("", "CREATE"):
                await self._mirror(node, request, obj)
            case ("", "DELETE"):
                if not _is_on(node, obj):
                    raise _refused(request, f'node "{node}" can only delete pods with spec.nodeName set to itself')
            case ("", operation):
                why = f'unexpected operation "{operation}", node "{node}" can only create and delete mirror pods'
                raise _refused(request, why)
            case ("status", "UPDATE"):
                old = request.old or {}
                if not _is_on(node, old):
                    why = f'node "{node}" can only update pod status for pods with spec.nodeName set to itself'
                    raise _refused(request, why)
                if (old["metadata"].get("labels") or {}) != (obj["metadata"].get("labels") or {}):
                    raise _refused(request, f'node "{node}" cannot update labels through pod status')
                if _claim_statuses(old) != _claim_statuses(obj):
                    raise _refused(request, f'node "{node}" cannot update resource claim statues')
            case ("eviction", "CREATE"):
                pod = await self._reader.read("", "pods", request.namespace, request.name)
                if pod is None:
                    raise not_found("pods", "", request.name)
                if not _is_on(node, pod):
                    raise _refused(request, f"node {node} can only evict pods with spec.nodeName set to itself")
            case (subresource, _):
                why = f"unexpected pod subresource \"{subresource}\", only 'status' and 'eviction' are allowed"
                raise _refused(request, why)

    async def _mirror(self, node: str, request: AdmissionRequest, pod: Json) -> None:
        """A node may show one of its own pods, and gain nothing by it."""
        if not is_mirror(pod):
            why = f'pod does not have "{MIRROR_POD}" annotation, node "{node}" can only create mirror pods'
            raise _refused(request, why)
        if not _is_on(node, pod):
            raise _refused(request, f'node "{node}" can only create pods with spec.nodeName set to itself')
        await self._check_owner(node, request, pod)
        referred = {
            "a service account": bool(service_account_of(pod)),
            "secrets": bool(secrets_of(pod)),
            "configmaps": bool(config_maps_of(pod)),
            "clustertrustbundles": uses_trust_bundles(pod),
            "persistentvolumeclaims": bool(claims_of(pod)),
            "resourceclaims": bool((pod.get("spec") or {}).get("resourceClaims")),
        }
        for what, refers in referred.items():
            if refers:
                raise _refused(request, f'node "{node}" can not create pods that reference {what}')

    async def _check_owner(self, node: str, request: AdmissionRequest, pod: Json) -> None:
        owners = pod["metadata"].get("ownerReferences") or []
        if len(owners) > 1:
            raise _refused(request, f'node "{node}" can only create pods with a single owner reference set to itself')
        owner = owners[0] if owners else {}
        if (owner.get("apiVersion"), owner.get("kind"), owner.get("name")) != ("v1", "Node", node):
            raise _refused(request, f'node "{node}" can only create pods with an owner reference set to itself')
        if not owner.get("controller"):
            raise _refused(request, f'node "{node}" can only create pods with a controller owner reference set to itself')
        if owner.get("blockOwnerDeletion"):
            raise _refused(request, f'node "{node}" must not set blockOwnerDeletion on an owner reference')
        own = await self._reader.read("", "nodes", "", node)
        if own is None:
            raise not_found("nodes", "", node)
        expected, got = owner.get("uid") or "", own["metadata"]["uid"]
        if expected != got:
            raise _refused(request, f"node {node} UID mismatch: expected {expected} got {got}")

    async def _token(self, node: str, request: AdmissionRequest, asked: Json) -> None:
        if request.operation != "CREATE" or request.subresource != "token":
            return
        bound = (asked.get("spec") or {}).get("boundObjectRef") or {}
        if (bound.get("apiVersion"), bound.get("kind")) != ("v1", "Pod") or not bound.get("name"):
            raise _refused(request, "node requested token not bound to a pod")
        if not bound.get("uid"):
            raise _refused(request, "node requested token with a pod binding without a uid")
        pod = await self._reader.read("", "pods", request.namespace, bound["name"])
        if pod is None:
            raise not_found("pods", "", bound["name"])
        if bound["uid"] != pod["metadata"]["uid"]:
            why = f"the UID in the bound object reference ({bound['uid']}) does not match the UID in record."
            raise _refused(request, f"{why} The object might have been deleted and then recreated")
        if not _is_on(node, pod):
            raise _refused(request, "node requested token bound to a pod scheduled on a different node")


def _check_node(node: str, request: AdmissionRequest, obj: Json) -> None:
    name = obj["metadata"].get("name") or request.name
    if name != node:
        raise _refused(request, f'node "{node}" is not allowed to modify node "{name}"')
    labels = obj["metadata"].get("labels") or {}
    if request.operation == "CREATE":
        wrong = _forbidden_labels(labels, {})
        if wrong:
            raise _refused(request, f'node "{node}" is not allowed to set the following labels: {", ".join(wrong)}')
        return
    if request.operation != "UPDATE":
        return
    old = request.old or {}
    if ((obj.get("spec") or {}).get("taints") or []) != ((old.get("spec") or {}).get("taints") or []):
        raise _refused(request, f'node "{node}" is not allowed to modify taints')
    if (obj["metadata"].get("ownerReferences") or []) != (old["metadata"].get("ownerReferences") or []):
        raise _refused(request, f'node "{node}" is not allowed to modify ownerReferences')
    wrong = _forbidden_labels(labels, old["metadata"].get("labels") or {})
    if wrong:
        raise _refused(request, f"is not allowed to modify labels: {', '.join(wrong)}")


def _check_claim(node: str, request: AdmissionRequest, obj: Json) -> None:
    if request.subresource != "status":
        raise _refused(request, "may only update PVC status")
    if request.operation != "UPDATE":
        raise _refused(request, f'unexpected operation "{request.operation}"')
    if _without_own_part(obj) != _without_own_part(request.old or {}):
        why = f'node "{node}" is not allowed to update fields other than status.capacity and status.conditions'
        raise _refused(request, why)


def _check_same_name(node: str, request: AdmissionRequest, obj: Json, what: str) -> None:
    name = (obj["metadata"].get("name") or "") if request.operation == "CREATE" else request.name
    if name != node:
        raise _refused(request, f"can only access {what} with the same name as the requesting node")


def _forbidden_labels(labels: Json, old: Json) -> list[str]:
    """The keys of labels that changed and that a node may not change."""
    changed = {key for key in labels.keys() | old.keys() if labels.get(key) != old.get(key) or (key in labels) != (key in old)}
    return sorted(key for key in changed if _is_forbidden(key))


def _is_forbidden(key: str) -> bool:
    namespace, slash, _ = key.partition("/")
    if not slash:
        return False
    if _within(namespace, _RESTRICTED):
        return True
    if not (_within(namespace, "kubernetes.io") or _within(namespace, "k8s.io")):
        return False
    return key not in _OWN_LABELS and not any(_within(namespace, own) for own in _OWN_NAMESPACES)


def _within(namespace: str, domain: str) -> bool:
    return namespace == domain or namespace.endswith(f".{domain}")


def _is_on(node: str, pod: Json) -> bool:
    return (pod.get("spec") or {}).get("nodeName") == node


def _claim_statuses(pod: Json) -> list[tuple[str | None, str | None]]:
    statuses = (pod.get("status") or {}).get("resourceClaimStatuses") or ()
    return [(status.get("name"), status.get("resourceClaimName")) for status in statuses]


def _without_own_part(claim: Json) -> Json:
    metadata = {key: value for key, value in (claim.get("metadata") or {}).items() if key not in _OF_NO_MEANING}
    status = {key: value for key, value in (claim.get("status") or {}).items() if key not in _CLAIM_STATUS}
    return {**claim, "metadata": metadata, "status": status}


def _refused(request: AdmissionRequest, why: str) -> StatusError:
    return forbidden(request.resource.plural, request.resource.group, request.name, why)


def validating(context: AdmissionContext) -> ValidatingPlugin:
    return NodeRestriction(context.reader)
