"""A patch applied to what a client sees of an object, and whether the result may still be that object. Pure."""

from typing import Any

from master.api.kinds.kind import Kind
from master.api.patch.json_patch import apply_json_patch
from master.api.patch.merge_patch import apply_merge_patch
from master.api.patch.strategic_merge import apply_strategic_merge
from master.api.registry.metadata import check_name, check_namespace, check_preconditions
from master.api.registry.storage import Stored, updated_elsewhere
from master.api.schema.schemas import Schemas
from master.client.errors import bad_request
from master.client.protocol import Json, PatchType


def patched_object(schemas: Schemas, definition: str, view: Json, patch_type: PatchType, body: Any) -> Json:
    """The patched object. It may share parts with the view; normalizing copies it afterwards. Raises StatusError."""
    try:
        return _patched_as(schemas, definition, view, patch_type, body)
    except RecursionError:
        raise bad_request("the patch is nested too deep") from None


def _patched_as(schemas: Schemas, definition: str, view: Json, patch_type: PatchType, body: Any) -> Json:
    if patch_type == "application/json-patch+json":
        patched = apply_json_patch(view, body)
    elif patch_type == "application/merge-patch+json":
        patched = apply_merge_patch(view, body)
    else:
        patched = apply_strategic_merge(view, body, definition=definition, schemas=schemas)
    if not isinstance(patched, dict):
        raise bad_request("the patch does not leave an object")
    return patched


def check_patched(kind: Kind, namespace: str, name: str, stored: Stored, patched: Json) -> None:
    """Raises StatusError when a patch made another object of it, or was meant for another version of it."""
    metadata = patched.get("metadata")
    if not isinstance(metadata, dict):
        raise bad_request("the patch removes the object's metadata")
    check_name(name, metadata)
    check_namespace(kind, namespace, metadata)
    if metadata.get("uid") not in (None, "", stored.obj["metadata"]["uid"]):
        check_preconditions(kind, stored.obj, uid=metadata["uid"], resource_version=None)
    wanted = metadata.get("resourceVersion") or ""
    if wanted and wanted != str(stored.revision):
        raise updated_elsewhere(kind, name)
