"""CSINode: the CSI drivers of one node. What a driver registered never changes while it is registered."""

from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules import names
from master.api.kinds.rules.csi import validate_driver_name
from master.api.kinds.rules.field_errors import duplicate, invalid, required
from master.api.kinds.rules.metadata import validate_metadata
from master.api.kinds.rules.numbers import not_negative
from master.api.printers import csi_node as printer
from master.client.errors import Cause

_NODE_ID_LIMIT = 192


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_metadata(obj, old, name_rule=names.dns1123_subdomain, namespaced=False)
    drivers = (obj.get("spec") or {}).get("drivers") or []
    seen: set[str] = set()
    for index, driver in enumerate(drivers):
        path, name = f"spec.drivers[{index}]", driver.get("name") or ""
        causes.extend(_validate_driver(driver, path))
        if name in seen:
            causes.append(duplicate(f"{path}.name", name))
        seen.add(name)
    before = {driver.get("name"): driver for driver in ((old or {}).get("spec") or {}).get("drivers") or ()}
    for driver in drivers:
        if driver != before.get(driver.get("name"), driver):
            causes.append(invalid("CSINodeDriver", driver, "field is immutable"))
    return causes


def _validate_driver(driver: Json, path: str) -> list[Cause]:
    causes = validate_driver_name(driver.get("name") or "", f"{path}.name")
    node_id = driver.get("nodeID") or ""
    if not node_id:
        causes.append(required(f"{path}.nodeID"))
    if len(node_id) > _NODE_ID_LIMIT:
        causes.append(invalid(f"{path}.nodeID", node_id, f"must be {_NODE_ID_LIMIT} characters or less"))
    causes.extend(not_negative((driver.get("allocatable") or {}).get("count"), f"{path}.allocatable.count"))
    keys = driver.get("topologyKeys") or []
    for index, key in enumerate(keys):
        if not key:
            causes.append(required(path))
        if key in keys[:index]:
            causes.append(duplicate(path, key))
        causes.extend(invalid(path, keys, why) for why in names.qualified_name(key))
    return causes


KIND = Kind(
    group="storage.k8s.io",
    version="v1",
    kind="CSINode",
    plural="csinodes",
    singular="csinode",
    definition="io.k8s.api.storage.v1.CSINode",
    namespaced=False,
    validate=_validate,
    unconditional_update=False,
    columns=printer.COLUMNS,
    row=printer.row,
)
