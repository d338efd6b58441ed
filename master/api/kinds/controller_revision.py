"""ControllerRevision: what a StatefulSet or DaemonSet was like; written once, only renumbered."""

from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import required
from master.api.kinds.rules.metadata import immutable, validate_metadata
from master.api.kinds.rules.numbers import not_negative
from master.api.printers import controller_revision as printer
from master.client.errors import Cause


def _default(obj: Json) -> None:
    obj.setdefault("revision", 0)


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_metadata(obj, old, name_rule=names.dns1123_subdomain)
    if obj.get("data") is None:
        causes.append(required("data", "data is mandatory"))
    causes.extend(not_negative(obj.get("revision"), "revision"))
    if old is not None:
        causes.extend(immutable(obj.get("data"), old.get("data"), "data"))
    return causes


KIND = Kind(
    group="apps",
    version="v1",
    kind="ControllerRevision",
    plural="controllerrevisions",
    singular="controllerrevision",
    definition="io.k8s.api.apps.v1.ControllerRevision",
    default=_default,
    validate=_validate,
    columns=printer.COLUMNS,
    row=printer.row,
)
