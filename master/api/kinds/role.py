"""Role: what may be done in one namespace."""

from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules import names
from master.api.kinds.rules.metadata import validate_metadata
from master.api.kinds.rules.rbac import GROUP, validate_policy_rules
from master.api.printers import creation_time as printer
from master.client.errors import Cause


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_metadata(obj, old, name_rule=names.path_segment)
    return causes + validate_policy_rules(obj.get("rules"), namespaced=True)


KIND = Kind(
    group=GROUP,
    version="v1",
    kind="Role",
    plural="roles",
    singular="role",
    definition="io.k8s.api.rbac.v1.Role",
    validate=_validate,
    columns=printer.COLUMNS,
    row=printer.row,
)
