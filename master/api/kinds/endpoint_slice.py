"""EndpointSlice: up to 1,000 addresses behind a Service, of one family."""

import ipaddress

from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules import names
from master.api.kinds.rules.endpoint_addresses import validate_endpoint_address
from master.api.kinds.rules.field_errors import duplicate, invalid, not_supported, required, too_many
from master.api.kinds.rules.metadata import immutable, validate_metadata
from master.api.kinds.service import PROTOCOLS
from master.api.printers import endpoint_slice as printer
from master.client.errors import Cause

ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")
_MAX_ENDPOINTS, _MAX_PORTS, _MAX_ADDRESSES = 1000, 20000, 100


def _default(obj: Json) -> None:
    for port in obj.get("ports") or ():
        port.setdefault("name", "")
        if not port.get("protocol"):
            port["protocol"] = "TCP"


def _prepare_for_create(obj: Json) -> None:
    obj["metadata"]["generation"] = 1


def _prepare_for_update(obj: Json, old: Json) -> None:
    def content(slice_: Json) -> Json:
        return {key: value for key, value in slice_.items() if key != "metadata"}

    labels, before = obj["metadata"].get("labels"), old["metadata"].get("labels")
    changed = content(obj) != content(old) or labels != before
    obj["metadata"]["generation"] = old["metadata"].get("generation", 1) + changed


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_metadata(obj, old, name_rule=names.dns1123_subdomain)
    kind = obj.get("addressType") or ""
    if not kind:
        causes.append(required("addressType"))
    elif kind not in ADDRESS_TYPES:
        causes.append(not_supported("addressType", kind, ADDRESS_TYPES))
    endpoints = obj.get("endpoints") or ()
    if len(endpoints) > _MAX_ENDPOINTS:
        causes.append(too_many("endpoints", len(endpoints), _MAX_ENDPOINTS))
    else:
        for index, endpoint in enumerate(endpoints):
            causes.extend(_validate_endpoint(endpoint, kind, f"endpoints[{index}]"))
    causes.extend(_validate_ports(obj.get("ports") or ()))
    if old is not None:
        causes.extend(immutable(kind, old.get("addressType"), "addressType"))
    return causes


def _validate_endpoint(endpoint: Json, kind: str, path: str) -> list[Cause]:
    causes: list[Cause] = []
    addresses = endpoint.get("addresses") or ()
    if not addresses:
        causes.append(required(f"{path}.addresses", "must contain at least 1 address"))
    elif len(addresses) > _MAX_ADDRESSES:
        causes.append(too_many(f"{path}.addresses", len(addresses), _MAX_ADDRESSES))
    for index, address in enumerate(addresses):
        where = f"{path}.addresses[{index}]"
        if kind == "FQDN":
            causes.extend(invalid(where, address, why) for why in names.dns1123_subdomain(address.removesuffix(".")))
            continue
        wrong = validate_endpoint_address(address, where)
        if not wrong and kind in ("IPv4", "IPv6") and ipaddress.ip_address(address).version != int(kind[-1]):
            wrong = [invalid(where, address, f"must be an {kind} address")]
        causes.extend(wrong)
    if host := endpoint.get("hostname"):
        causes.extend(invalid(f"{path}.hostname", host, why) for why in names.dns1123_label(host))
    if node := endpoint.get("nodeName"):
        causes.extend(invalid(f"{path}.nodeName", node, why) for why in names.dns1123_subdomain(node))
    return causes


def _validate_ports(ports: list[Json] | tuple[Json, ...]) -> list[Cause]:
    if len(ports) > _MAX_PORTS:
        return [too_many("ports", len(ports), _MAX_PORTS)]
    causes: list[Cause] = []
    seen: set[str] = set()
    for index, port in enumerate(ports):
        path = f"ports[{index}]"
        name, protocol = port.get("name") or "", port.get("protocol") or ""
        if name:
            causes.extend(invalid(f"{path}.name", name, why) for why in names.dns1123_label(name))
        if name in seen:
            causes.append(duplicate(f"{path}.name", name))
        seen.add(name)
        if protocol not in PROTOCOLS:
            causes.append(not_supported(f"{path}.protocol", protocol, PROTOCOLS))
        if application := port.get("appProtocol"):
            causes.extend(invalid(f"{path}.appProtocol", application, why) for why in names.qualified_name(application))
        if port.get("port") is not None:
            causes.extend(invalid(f"{path}.port", port["port"], why) for why in names.port_number(port["port"]))
    return causes


KIND = Kind(
    group="discovery.k8s.io",
    version="v1",
    kind="EndpointSlice",
    plural="endpointslices",
    singular="endpointslice",
    definition="io.k8s.api.discovery.v1.EndpointSlice",
    default=_default,
    validate=_validate,
    prepare_for_create=_prepare_for_create,
    prepare_for_update=_prepare_for_update,
    columns=printer.COLUMNS,
    row=printer.row,
)
