"""ConfigMap: up to 1 MiB of text and bytes; an immutable one stays as it is."""

from base64 import b64decode
from binascii import Error as Base64Error

from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import forbidden, invalid, keyed, too_long
from master.api.kinds.rules.metadata import validate_metadata
from master.api.printers import config_map as printer
from master.client.errors import Cause

#: All values together, in bytes.
SIZE_LIMIT = 1024 * 1024


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_metadata(obj, old, name_rule=names.dns1123_subdomain)
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    size = 0
    for key, value in data.items():
        causes.extend(invalid(keyed("data", key), key, why) for why in names.config_map_key(key))
        if key in binary:
            causes.append(invalid(keyed("data", key), key, "duplicate of key present in binaryData"))
        size += len(value.encode())
    for key, value in binary.items():
        causes.extend(invalid(keyed("binaryData", key), key, why) for why in names.config_map_key(key))
        size += _decoded_size(value)
    if size > SIZE_LIMIT:
        causes.append(too_long("", SIZE_LIMIT))
    if old is not None and old.get("immutable"):
        if not obj.get("immutable"):
            causes.append(forbidden("immutable", "field is immutable when `immutable` is set"))
        causes.extend(
            forbidden(field, "field is immutable when `immutable` is set")
            for field in ("data", "binaryData")
            if (obj.get(field) or {}) != (old.get(field) or {})
        )
    return causes


def _decoded_size(value: str) -> int:
    try:
        return len(b64decode(value))
    except (Base64Error, ValueError):
        return len(value)


KIND = Kind(
    group="",
    version="v1",
    kind="ConfigMap",
    plural="configmaps",
    singular="configmap",
    short_names=("cm",),
    definition="io.k8s.api.core.v1.ConfigMap",
    validate=_validate,
    columns=printer.COLUMNS,
    row=printer.row,
)
