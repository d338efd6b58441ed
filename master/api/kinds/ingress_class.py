"""IngressClass: which controller serves the Ingresses of the class. Its controller never changes."""

import re
from typing import Any

from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import forbidden, invalid, not_supported, required, too_long
from master.api.kinds.rules.metadata import immutable, validate_metadata
from master.api.printers import ingress_class as printer
from master.client.errors import Cause

SCOPES = ("Cluster", "Namespace")
_CONTROLLER_LIMIT = 250
_PATH_PATTERN = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"
_PATH = re.compile(rf"{_PATH_PATTERN}\Z")


def _default(obj: Json) -> None:
    parameters = (obj.get("spec") or {}).get("parameters")
    if parameters is not None and parameters.get("scope") is None:
        parameters["scope"] = "Cluster"


def _prepare_for_create(obj: Json) -> None:
    obj["metadata"]["generation"] = 1


def _prepare_for_update(obj: Json, old: Json) -> None:
    _default(obj)
    changed = (obj.get("spec") or {}) != (old.get("spec") or {})
    obj["metadata"]["generation"] = old["metadata"].get("generation", 1) + changed


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_metadata(obj, old, name_rule=names.dns1123_subdomain, namespaced=False)
    spec = obj.get("spec") or {}
    controller = spec.get("controller") or ""
    if old is not None:
        causes.extend(immutable(controller, (old.get("spec") or {}).get("controller"), "spec.controller"))
    if not controller:
        causes.append(required("spec.controller"))
    else:
        if len(controller.encode()) > _CONTROLLER_LIMIT:
            causes.append(too_long("spec.controller", _CONTROLLER_LIMIT))
        causes.extend(_validate_domain_prefixed_path(controller, "spec.controller"))
    if spec.get("parameters") is not None:
        causes.extend(_validate_parameters(spec["parameters"], "spec.parameters"))
    return causes


def _validate_domain_prefixed_path(value: str, path: str) -> list[Cause]:
    domain, _, rest = value.partition("/")
    if not domain or not rest:
        return [invalid(path, value, 'must be a domain-prefixed path (such as "acme.io/foo")')]
    causes = [invalid(path, domain, why) for why in names.dns1123_subdomain(domain)]
    if not _PATH.match(rest):
        causes.append(invalid(path, rest, f"Invalid path (regex used for validation is '{_PATH_PATTERN}')"))
    return causes


def validate_typed_reference(reference: "dict[str, Any]", path: str) -> list[Cause]:
    """A reference by API group, kind and name; of an Ingress' backend too."""
    causes: list[Cause] = []
    if reference.get("apiGroup") is not None:
        group = reference["apiGroup"]
        causes.extend(invalid(f"{path}.apiGroup", group, why) for why in names.dns1123_subdomain(group))
    for field in ("kind", "name"):
        value = reference.get(field) or ""
        if not value:
            causes.append(required(f"{path}.{field}"))
        else:
            causes.extend(invalid(f"{path}.{field}", value, why) for why in names.path_segment(value))
    return causes


def _validate_parameters(parameters: Json, path: str) -> list[Cause]:
    causes = validate_typed_reference(parameters, path)
    scope, namespace = parameters.get("scope"), parameters.get("namespace")
    if scope is None:
        causes.append(required(f"{path}.scope"))
    elif scope not in SCOPES:
        causes.append(not_supported(f"{path}.scope", scope, SCOPES))
    elif scope == "Cluster":
        if namespace is not None:
            causes.append(forbidden(f"{path}.namespace", "`parameters.scope` is set to 'Cluster'"))
    elif namespace is None:
        causes.append(required(f"{path}.namespace", "`parameters.scope` is set to 'Namespace'"))
    else:
        causes.extend(invalid(f"{path}.namespace", namespace, why) for why in names.dns1123_label(namespace))
    return causes


KIND = Kind(
    group="networking.k8s.io",
    version="v1",
    kind="IngressClass",
    plural="ingressclasses",
    singular="ingressclass",
    definition="io.k8s.api.networking.v1.IngressClass",
    namespaced=False,
    default=_default,
    validate=_validate,
    prepare_for_create=_prepare_for_create,
    prepare_for_update=_prepare_for_update,
    columns=printer.COLUMNS,
    row=printer.row,
)
