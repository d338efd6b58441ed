"""CustomResourceDefinition: declares kinds at run time; see `master.api.custom_resources`.

Its rules are imported with the first definition: a cluster without any pays nothing for them.
"""

from collections.abc import Sequence
from copy import deepcopy

from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules.lifecycle import keep_status
from master.api.printers import custom_resource_definition as printer
from master.client.errors import Cause

_DEFAULT_PORT = 443


def _storage_version(obj: Json) -> str:
    versions: list[Json] = (obj.get("spec") or {}).get("versions") or []
    return next((version.get("name") or "" for version in versions if version.get("storage")), "")


def _prepare_for_create(obj: Json) -> None:
    obj["metadata"]["generation"] = 1
    obj["status"] = {"acceptedNames": {"kind": "", "plural": ""}, "conditions": [], "storedVersions": []}
    _remember_storage_version(obj)


def _prepare_for_update(obj: Json, old: Json) -> None:
    keep_status(obj, old)
    _default(obj)
    changed = (obj.get("spec") or {}) != (old.get("spec") or {})
    obj["metadata"]["generation"] = old["metadata"].get("generation", 1) + changed
    _remember_storage_version(obj)


def _prepare_for_status_update(obj: Json, old: Json) -> None:
    obj["spec"] = deepcopy(old.get("spec") or {})
    obj["metadata"] = {**deepcopy(old["metadata"]), "resourceVersion": obj["metadata"].get("resourceVersion", "")}


def _remember_storage_version(obj: Json) -> None:
    """Objects may be stored in this version from now on."""
    name = _storage_version(obj)
    stored: list[str] = obj.setdefault("status", {}).setdefault("storedVersions", [])
    if name and name not in stored:
        stored.append(name)


def _default(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    names = spec.setdefault("names", {})
    kind = names.get("kind") or ""
    if not names.get("singular") and kind:
        names["singular"] = kind.lower()
    if not names.get("listKind") and kind:
        names["listKind"] = f"{kind}List"
    if spec.get("conversion") is None:
        spec["conversion"] = {"strategy": "None"}
    service = ((spec["conversion"].get("webhook") or {}).get("clientConfig") or {}).get("service")
    if service is not None and service.get("port") is None:
        service["port"] = _DEFAULT_PORT
    if spec.get("preserveUnknownFields") is False:
        del spec["preserveUnknownFields"]
    _fill_in(obj)


def _fill_in(obj: Json) -> None:
    """Fields that Go always writes, with its zero values: typed clients ask for them."""
    spec: Json = obj["spec"]
    spec.setdefault("versions", [])
    for name in ("group", "scope"):
        spec.setdefault(name, "")
    for version in spec["versions"]:
        version.setdefault("name", "")
        version.setdefault("served", False)
        version.setdefault("storage", False)
    status = obj.get("status")
    if not status:
        return
    names = status.get("acceptedNames")
    if names is not None:
        for name in ("kind", "plural"):
            names.setdefault(name, "")
    for condition in status.get("conditions") or ():
        for name in ("type", "status"):
            condition.setdefault(name, "")


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    from master.api.custom_resources.definition.validation import validate

    return validate(obj, old)


def _validate_status(obj: Json, old: Json | None) -> list[Cause]:
    from master.api.custom_resources.definition.validation import validate_status

    return validate_status(obj, old)


def _warnings(obj: Json, old: Json | None) -> Sequence[str]:
    from master.api.custom_resources.definition.validation import warnings

    return warnings(obj, old)


KIND = Kind(
    group="apiextensions.k8s.io",
    version="v1",
    kind="CustomResourceDefinition",
    plural="customresourcedefinitions",
    singular="customresourcedefinition",
    short_names=("crd", "crds"),
    categories=("api-extensions",),
    namespaced=False,
    definition="io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition",
    subresources=frozenset({"status"}),
    default=_default,
    validate=_validate,
    validate_status=_validate_status,
    warnings=_warnings,
    prepare_for_create=_prepare_for_create,
    prepare_for_update=_prepare_for_update,
    prepare_for_status_update=_prepare_for_status_update,
    columns=printer.COLUMNS,
    row=printer.row,
    unconditional_update=False,
    in_thread=True,
)
