"""CSIStorageCapacity: how much storage of a class a CSI driver has in one part of the cluster."""

from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import invalid
from master.api.kinds.rules.metadata import validate_label_selector, validate_metadata
from master.api.printers import csi_storage_capacity as printer
from master.client.errors import Cause
from proto.k8s.quantity import parse


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_metadata(obj, old, name_rule=names.dns1123_subdomain)
    causes.extend(validate_label_selector(obj.get("nodeTopology"), "nodeTopology"))
    name = obj.get("storageClassName") or ""
    causes.extend(invalid("storageClassName", name, why) for why in names.dns1123_subdomain(name))
    for field in ("capacity", "maximumVolumeSize"):
        if obj.get(field) is not None and parse(obj[field]) < 0:
            causes.append(invalid(field, obj[field], "must be greater than or equal to 0"))
    if old is not None:
        for field in ("nodeTopology", "storageClassName"):
            if obj.get(field) != old.get(field):
                causes.append(invalid(field, obj.get(field), "field is immutable"))
    return causes


KIND = Kind(
    group="storage.k8s.io",
    version="v1",
    kind="CSIStorageCapacity",
    plural="csistoragecapacities",
    singular="csistoragecapacity",
    definition="io.k8s.api.storage.v1.CSIStorageCapacity",
    validate=_validate,
    unconditional_update=False,
    columns=printer.COLUMNS,
    row=printer.row,
)
