"""Secret: `stringData` is written into `data` and never shown; types with required keys are checked."""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error

import orjson

from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import forbidden, invalid, keyed, required, too_long
from master.api.kinds.rules.metadata import immutable, validate_metadata
from master.api.printers import secret as printer
from master.client.errors import Cause

#: All values together, decoded, in bytes.
SIZE_LIMIT = 1024 * 1024
_SERVICE_ACCOUNT_NAME = "kubernetes.io/service-account.name"
_HIDDEN = "<secret contents redacted>"


def _default(obj: Json) -> None:
    if strings := obj.pop("stringData", None):
        encoded = {key: b64encode(value.encode()).decode() for key, value in strings.items()}
        obj["data"] = {**(obj.get("data") or {}), **encoded}
    if not obj.get("type"):
        obj["type"] = "Opaque"


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_metadata(obj, old, name_rule=names.dns1123_subdomain)
    data = obj.get("data") or {}
    size = 0
    for key, value in data.items():
        causes.extend(invalid(keyed("data", key), key, why) for why in names.config_map_key(key))
        size += len(_decoded(value))
    if size > SIZE_LIMIT:
        causes.append(too_long("data", SIZE_LIMIT))
    causes.extend(_validate_type(obj, data))
    if old is not None:
        causes.extend(immutable(obj.get("type"), old.get("type"), "type"))
        if old.get("immutable"):
            if not obj.get("immutable"):
                causes.append(forbidden("immutable", "field is immutable when `immutable` is set"))
            if data != (old.get("data") or {}):
                causes.append(forbidden("data", "field is immutable when `immutable` is set"))
    return causes


def _validate_type(obj: Json, data: Json) -> list[Cause]:
    match obj.get("type"):
        case "kubernetes.io/service-account-token":
            annotations = obj["metadata"].get("annotations") or {}
            if annotations.get(_SERVICE_ACCOUNT_NAME):
                return []
            return [required(keyed("metadata.annotations", _SERVICE_ACCOUNT_NAME))]
        case "kubernetes.io/dockercfg":
            return _validate_json(data, ".dockercfg")
        case "kubernetes.io/dockerconfigjson":
            return _validate_json(data, ".dockerconfigjson")
        case "kubernetes.io/basic-auth":
            if "username" in data or "password" in data:
                return []
            return [required(keyed("data", "username")), required(keyed("data", "password"))]
        case "kubernetes.io/ssh-auth":
            return [] if data.get("ssh-privatekey") else [required(keyed("data", "ssh-privatekey"))]
        case "kubernetes.io/tls":
            return [required(keyed("data", key)) for key in ("tls.crt", "tls.key") if key not in data]
        case _:
            return []


def _validate_json(data: Json, key: str) -> list[Cause]:
    path = keyed("data", key)
    if key not in data:
        return [required(path)]
    try:
        orjson.loads(_decoded(data[key]))
    except orjson.JSONDecodeError as error:
        return [invalid(path, _HIDDEN, str(error))]
    return []


def _decoded(value: str) -> bytes:
    try:
        return b64decode(value)
    except (Base64Error, ValueError):
        return value.encode()


KIND = Kind(
    group="",
    version="v1",
    kind="Secret",
    plural="secrets",
    singular="secret",
    definition="io.k8s.api.core.v1.Secret",
    default=_default,
    validate=_validate,
    columns=printer.COLUMNS,
    row=printer.row,
    field_selectors={"type": lambda obj: obj.get("type", "")},
)
