"""Lease: who leads or lives, renewed by its holder."""

from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import invalid
from master.api.kinds.rules.metadata import validate_metadata
from master.api.printers import lease as printer
from master.client.errors import Cause


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_metadata(obj, old, name_rule=names.dns1123_subdomain)
    spec = obj.get("spec") or {}
    duration, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if duration is not None and duration <= 0:
        causes.append(invalid("spec.leaseDurationSeconds", duration, "must be greater than 0"))
    if transitions is not None and transitions < 0:
        causes.append(invalid("spec.leaseTransitions", transitions, "must be greater than or equal to 0"))
    return causes


KIND = Kind(
    group="coordination.k8s.io",
    version="v1",
    kind="Lease",
    plural="leases",
    singular="lease",
    definition="io.k8s.api.coordination.v1.Lease",
    validate=_validate,
    columns=printer.COLUMNS,
    row=printer.row,
)
