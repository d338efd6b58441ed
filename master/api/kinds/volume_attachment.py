"""VolumeAttachment: asks an attacher to attach a volume to a node, and says what came of it. Its spec never changes."""

from typing import Any

from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules import names
from master.api.kinds.rules.csi import validate_driver_name
from master.api.kinds.rules.field_errors import forbidden, invalid, required, too_long
from master.api.kinds.rules.lifecycle import keep_status, only_status, without_status
from master.api.kinds.rules.metadata import immutable, validate_metadata
from master.api.printers import volume_attachment as printer
from master.client.errors import Cause

_METADATA_LIMIT, _MESSAGE_LIMIT = 256 * 1024, 1024


def _default(obj: Json) -> None:
    status = obj.get("status")
    if status is not None:
        # Go's type writes it always.
        status.setdefault("attached", False)


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_metadata(obj, old, name_rule=names.dns1123_subdomain, namespaced=False)
    spec = obj.get("spec") or {}
    attacher, source = spec.get("attacher") or "", spec.get("source") or {}
    causes.extend(validate_driver_name(attacher, "spec.attacher"))
    causes.extend(_validate_source(source, "spec.source"))
    node = spec.get("nodeName") or ""
    causes.extend(invalid("spec.nodeName", node, why) for why in names.dns1123_subdomain(node))
    causes.extend(_validate_outcome(obj.get("status") or {}))
    return causes if old is None else causes + immutable(spec, old.get("spec"), "spec")


def _validate_source(source: Json, path: str) -> list[Cause]:
    name, inline = source.get("persistentVolumeName"), source.get("inlineVolumeSpec")
    one = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
    if name is None and inline is None:
        return [required(path, one)]
    if name is not None and inline is not None:
        return [forbidden(path, one)]
    if name is None:
        return []
    where = f"{path}.persistentVolumeName"
    if not name:
        return [required(where, "must specify non empty persistentVolumeName")]
    return [invalid(where, name, why) for why in names.dns1123_subdomain(name)]


def _validate_outcome(status: Json) -> list[Cause]:
    causes: list[Cause] = []
    metadata: Any = status.get("attachmentMetadata") or {}
    if sum(len(key.encode()) + len(value.encode()) for key, value in metadata.items()) > _METADATA_LIMIT:
        causes.append(too_long("status.attachmentMetadata", _METADATA_LIMIT))
    for field in ("attachError", "detachError"):
        message = (status.get(field) or {}).get("message") or ""
        if len(message.encode()) > _MESSAGE_LIMIT:
            causes.append(too_long(f"status.{field}.message", _MESSAGE_LIMIT))
    return causes


KIND = Kind(
    group="storage.k8s.io",
    version="v1",
    kind="VolumeAttachment",
    plural="volumeattachments",
    singular="volumeattachment",
    definition="io.k8s.api.storage.v1.VolumeAttachment",
    namespaced=False,
    subresources=frozenset({"status"}),
    default=_default,
    validate=_validate,
    validate_status=_validate,
    prepare_for_create=without_status,
    prepare_for_update=keep_status,
    prepare_for_status_update=only_status,
    unconditional_update=False,
    columns=printer.COLUMNS,
    row=printer.row,
)
