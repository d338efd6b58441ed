"""Ingress: HTTP hosts and paths in front of Services. Its controller reports addresses in the status."""

from typing import Any

from master.api.kinds.ingress_class import validate_typed_reference
from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import invalid, not_supported, required
from master.api.kinds.rules.lifecycle import first_generation, next_generation, only_status
from master.api.kinds.rules.metadata import validate_metadata
from master.api.printers import ingress as printer
from master.client.errors import Cause

PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
CLASS_ANNOTATION = "kubernetes.io/ingress.class"
_FORBIDDEN_PARTS = ("//", "/./", "/../", "%2f", "%2F")
_FORBIDDEN_ENDS = ("/..", "/.")


def _prepare_for_create(obj: Json) -> None:
    first_generation(obj)
    obj["status"] = {"loadBalancer": {}}


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_metadata(obj, old, name_rule=names.dns1123_subdomain)
    spec = obj.get("spec") or {}
    rules, backend, class_name = spec.get("rules") or [], spec.get("defaultBackend"), spec.get("ingressClassName")
    if not rules and backend is None:
        causes.append(invalid("spec", spec.get("rules"), "either `defaultBackend` or `rules` must be specified"))
    if backend is not None:
        causes.extend(_validate_backend(backend, "spec.defaultBackend"))
    for index, rule in enumerate(rules):
        causes.extend(_validate_rule(rule, f"spec.rules[{index}]"))
    for index, tls in enumerate(spec.get("tls") or ()):
        causes.extend(_validate_tls(tls, f"spec.tls[{index}]"))
    if class_name is not None:
        causes.extend(invalid("spec.ingressClassName", class_name, why) for why in names.dns1123_subdomain(class_name))
    annotation = (obj["metadata"].get("annotations") or {}).get(CLASS_ANNOTATION)
    if old is None and None not in (annotation, class_name) and annotation != class_name:
        why = "must match `ingressClassName` when both are specified"
        causes.append(invalid(f"annotations.{CLASS_ANNOTATION}", annotation, why))
    return causes


def _validate_host(host: str, path: str) -> list[Cause]:
    wrong = names.wildcard_dns1123_subdomain(host) if "*" in host else names.dns1123_subdomain(host)
    return [invalid(path, host, why) for why in wrong]


def _validate_rule(rule: Json, path: str) -> list[Cause]:
    causes: list[Cause] = []
    if host := rule.get("host"):
        if not names.ip_address(host):
            causes.append(invalid(f"{path}.host", host, "must be a DNS name, not an IP address"))
        causes.extend(_validate_host(host, f"{path}.host"))
    http = rule.get("http")
    if http is not None:
        if not http.get("paths"):
            causes.append(required(f"{path}.http.paths"))
        for index, item in enumerate(http.get("paths") or ()):
            causes.extend(_validate_path(item, f"{path}.http.paths[{index}]"))
    return causes


def _validate_path(item: Json, path: str) -> list[Cause]:
    kind, value = item.get("pathType"), item.get("path") or ""
    if kind is None:
        return [required(f"{path}.pathType", "pathType must be specified")]
    causes: list[Cause] = []
    where = f"{path}.path"
    if kind not in PATH_TYPES:
        causes.append(not_supported(f"{path}.pathType", kind, PATH_TYPES))
    elif not value.startswith("/") and (value or kind != "ImplementationSpecific"):
        causes.append(invalid(where, value, "must be an absolute path"))
    if kind in ("Exact", "Prefix"):
        causes.extend(invalid(where, value, f"must not contain '{part}'") for part in _FORBIDDEN_PARTS if part in value)
        causes.extend(invalid(where, value, f"cannot end with '{end}'") for end in _FORBIDDEN_ENDS if value.endswith(end))
    return causes + _validate_backend(item.get("backend") or {}, f"{path}.backend")


def _validate_backend(backend: Json, path: str) -> list[Cause]:
    resource, service = backend.get("resource"), backend.get("service")
    if resource is not None and service is not None:
        return [invalid(path, "", "cannot set both resource and service backends")]
    if resource is not None:
        return validate_typed_reference(resource, f"{path}.resource")
    if service is None:
        return [invalid(path, "", "resource or service backend is required")]
    causes: list[Cause] = []
    name, port = service.get("name") or "", service.get("port") or {}
    if not name:
        causes.append(required(f"{path}.service.name"))
    else:
        causes.extend(invalid(f"{path}.service.name", name, why) for why in names.dns1035_label(name))
    port_name, number = port.get("name") or "", port.get("number") or 0
    if port_name and number:
        causes.append(invalid(path, "", "cannot set both port name & port number"))
    elif port_name:
        causes.extend(invalid(f"{path}.service.port.name", port_name, why) for why in names.port_name(port_name))
    elif number:
        causes.extend(invalid(f"{path}.service.port.number", number, why) for why in names.port_number(number))
    else:
        causes.append(required(path, "port name or number is required"))
    return causes


def _validate_tls(tls: Json, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for index, host in enumerate(tls.get("hosts") or ()):
        causes.extend(_validate_host(host, f"{path}.hosts[{index}]"))
    if secret := tls.get("secretName"):
        causes.extend(invalid(f"{path}.secretName", secret, why) for why in names.dns1123_subdomain(secret))
    return causes


def _validate_status(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_metadata(obj, old, name_rule=names.dns1123_subdomain)
    points: Any = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    for index, point in enumerate(points):
        path = f"status.loadBalancer.ingress[{index}]"
        if ip := point.get("ip"):
            causes.extend(invalid(f"{path}.ip", ip, why) for why in names.ip_address(ip))
        if host := point.get("hostname"):
            causes.extend(invalid(f"{path}.hostname", host, why) for why in names.dns1123_subdomain(host))
            if not names.ip_address(host):
                causes.append(invalid(f"{path}.hostname", host, "must be a DNS name, not an IP address"))
    return causes


def _warnings(obj: Json, old: Json | None) -> list[str]:
    if old is None and CLASS_ANNOTATION in (obj["metadata"].get("annotations") or {}):
        return [f"annotation \"{CLASS_ANNOTATION}\" is deprecated, please use 'spec.ingressClassName' instead"]
    return []


KIND = Kind(
    group="networking.k8s.io",
    version="v1",
    kind="Ingress",
    plural="ingresses",
    singular="ingress",
    definition="io.k8s.api.networking.v1.Ingress",
    short_names=("ing",),
    subresources=frozenset({"status"}),
    validate=_validate,
    validate_status=_validate_status,
    warnings=_warnings,
    prepare_for_create=_prepare_for_create,
    prepare_for_update=next_generation,
    prepare_for_status_update=only_status,
    columns=printer.COLUMNS,
    row=printer.row,
)
