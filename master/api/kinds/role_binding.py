"""RoleBinding: gives a Role or ClusterRole to subjects, inside one namespace. Its role never changes."""

from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules import names
from master.api.kinds.rules.metadata import validate_metadata
from master.api.kinds.rules.rbac import GROUP, default_binding, validate_binding
from master.api.printers import role_binding as printer
from master.client.errors import Cause


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_metadata(obj, old, name_rule=names.path_segment)
    return causes + validate_binding(obj, old, namespaced=True)


KIND = Kind(
    group=GROUP,
    version="v1",
    kind="RoleBinding",
    plural="rolebindings",
    singular="rolebinding",
    definition="io.k8s.api.rbac.v1.RoleBinding",
    default=default_binding,
    validate=_validate,
    columns=printer.COLUMNS,
    row=printer.row,
)
