"""pods/binding: the scheduler gives a pod its node."""

import copy
from collections.abc import Sequence

from master.api.kinds.kind import Kind
from master.api.registry.metadata import check_preconditions, timestamp
from master.client.errors import Cause, StatusError, conflict, invalid
from master.client.protocol import Json

DEFINITION = "io.k8s.api.core.v1.Binding"


class Binding:
    def definition(self, kind: Kind) -> str:
        return DEFINITION

    def view(self, kind: Kind, obj: Json) -> Json:
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}

    def merge(self, kind: Kind, old: Json, body: Json) -> Json:
        name = old["metadata"]["name"]
        target = body.get("target") or {}
        causes = []
        if target.get("kind") not in (None, "", "Node"):
            text = f'Unsupported value: "{target["kind"]}": supported values: "Node"'
            causes.append(Cause("target.kind", "FieldValueNotSupported", text))
        if not target.get("name"):
            causes.append(Cause("target.name", "FieldValueRequired", "Required value"))
        if causes:
            raise invalid("Binding", "", name, causes)
        metadata = body.get("metadata") or {}
        check_preconditions(kind, old, uid=metadata.get("uid"), resource_version=metadata.get("resourceVersion"))
        spec = old.get("spec") or {}
        if old["metadata"].get("deletionTimestamp"):
            raise _refused(name, f"pod {name} is being deleted, cannot be assigned to a host")
        if spec.get("nodeName"):
            raise _refused(name, f'pod {name} is already assigned to node "{spec["nodeName"]}"')
        if spec.get("schedulingGates"):
            raise _refused(name, f"pod {name} has non-empty .spec.schedulingGates")
        obj = copy.deepcopy(old)
        obj.setdefault("spec", {})["nodeName"] = target["name"]
        if metadata.get("annotations"):
            obj["metadata"].setdefault("annotations", {}).update(metadata["annotations"])
        _set_scheduled(obj.setdefault("status", {}))
        return obj

    def validate(self, kind: Kind, obj: Json, old: Json) -> Sequence[Cause]:
        return ()


def _refused(name: str, why: str) -> StatusError:
    return conflict("pods/binding", "", name, why)


def _set_scheduled(status: Json) -> None:
    conditions = [c for c in status.get("conditions") or [] if c.get("type") != "PodScheduled"]
    conditions.append({"type": "PodScheduled", "status": "True", "lastTransitionTime": timestamp()})
    status["conditions"] = conditions
