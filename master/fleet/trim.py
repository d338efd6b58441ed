"""What of an object travels to a node: all that a node acts on, and nothing that changes without need.

An order is published again only when this changes. So a pod's status stays here (the node itself wrote it; each report would
come back as an order), and so do resourceVersion (the envelope has it) and managedFields. Pure.
"""

from lightkube.core.resource import Resource
from msgspec import to_builtins

from proto.messages import Json

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
#: Phases in which a pod has ended: its node must not start it again, also when the node has forgotten it.
_ENDED = ("Succeeded", "Failed")


def trim(resource: str, obj: Resource) -> Json:
    """The JSON value of an object as its order carries it."""
    value: Json = to_builtins(obj)
    metadata: Json = value["metadata"]
    metadata.pop("managedFields", None)
    metadata.pop("resourceVersion", None)
    metadata.pop("generation", None)
    match resource:
        case "pods":
            status = value.pop("status", {})
            value["status"] = {
                key: status[key]
                for key in ("phase", "qosClass")
                if key in status and (key != "phase" or status[key] in _ENDED)
            }
            if gates := _gates(value.get("spec", {}), status):
                value["status"]["conditions"] = gates
        case "nodes":
            return _node(value)
        case "persistentvolumeclaims" | "persistentvolumes":
            # Whether a claim is bound is all that its node must know; a volume's own status says nothing else.
            status = value.pop("status", {})
            if resource == "persistentvolumeclaims":
                value["status"] = {key: status[key] for key in ("phase",) if key in status}
            metadata.get("annotations", {}).pop(_LAST_APPLIED, None)
        case _:
            # A pod's annotations can be read inside it; elsewhere a copy of the manifest is dead weight, and a Secret's
            # would be a second copy of it.
            metadata.get("annotations", {}).pop(_LAST_APPLIED, None)
    return value


def _gates(spec: Json, status: Json) -> list[Json]:
    """What others say of the pod's readiness gates: its node makes it ready by them."""
    wanted = {gate["conditionType"] for gate in spec.get("readinessGates") or ()}
    return [
        {"type": condition["type"], "status": condition["status"]}
        for condition in status.get("conditions") or ()
        if condition["type"] in wanted
    ]


def _node(value: Json) -> Json:
    """What other nodes need: where it is and which addresses its pods have."""
    metadata, spec, status = value["metadata"], value.get("spec", {}), value.get("status", {})
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {key: metadata[key] for key in ("name", "uid", "labels") if key in metadata},
        "spec": {key: spec[key] for key in ("podCIDR", "podCIDRs", "unschedulable") if key in spec},
        "status": {key: status[key] for key in ("addresses",) if key in status},
    }
