"""Endpoints: the addresses behind a Service, as older clients read them."""

from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules import names
from master.api.kinds.rules.endpoint_addresses import validate_endpoint_address
from master.api.kinds.rules.field_errors import invalid, not_supported, required
from master.api.kinds.rules.metadata import validate_metadata
from master.api.kinds.service import PROTOCOLS
from master.api.printers import endpoints as printer
from master.client.errors import Cause


def _default(obj: Json) -> None:
    for subset in obj.get("subsets") or ():
        for port in subset.get("ports") or ():
            if not port.get("protocol"):
                port["protocol"] = "TCP"


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_metadata(obj, old, name_rule=names.dns1123_subdomain)
    for index, subset in enumerate(obj.get("subsets") or ()):
        causes.extend(_validate_subset(subset, f"subsets[{index}]"))
    return causes


def _validate_subset(subset: Json, path: str) -> list[Cause]:
    causes: list[Cause] = []
    if not subset.get("addresses") and not subset.get("notReadyAddresses"):
        causes.append(required(path, "must specify `addresses` or `notReadyAddresses`"))
    for field in ("addresses", "notReadyAddresses"):
        for index, address in enumerate(subset.get(field) or ()):
            where = f"{path}.{field}[{index}]"
            causes.extend(validate_endpoint_address(address.get("ip") or "", f"{where}.ip"))
            if host := address.get("hostname"):
                causes.extend(invalid(f"{where}.hostname", host, why) for why in names.dns1123_label(host))
            if node := address.get("nodeName"):
                causes.extend(invalid(f"{where}.nodeName", node, why) for why in names.dns1123_subdomain(node))
    ports = subset.get("ports") or ()
    for index, port in enumerate(ports):
        where = f"{path}.ports[{index}]"
        name, number, protocol = port.get("name") or "", port.get("port") or 0, port.get("protocol") or ""
        if not name:
            if len(ports) > 1:
                causes.append(required(f"{where}.name"))
        else:
            causes.extend(invalid(f"{where}.name", name, why) for why in names.dns1123_label(name))
        causes.extend(invalid(f"{where}.port", number, why) for why in names.port_number(number))
        if protocol not in PROTOCOLS:
            causes.append(not_supported(f"{where}.protocol", protocol, PROTOCOLS))
        if application := port.get("appProtocol"):
            causes.extend(invalid(f"{where}.appProtocol", application, why) for why in names.qualified_name(application))
    return causes


KIND = Kind(
    group="",
    version="v1",
    kind="Endpoints",
    plural="endpoints",
    singular="endpoints",
    short_names=("ep",),
    definition="io.k8s.api.core.v1.Endpoints",
    default=_default,
    validate=_validate,
    columns=printer.COLUMNS,
    row=printer.row,
)
