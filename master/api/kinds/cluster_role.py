"""ClusterRole: what may be done in all namespaces, on cluster-wide resources and on paths; or, bound in one namespace, there.

`aggregationRule` is checked here; its controller fills the rules.
"""

from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import required
from master.api.kinds.rules.metadata import validate_label_selector, validate_metadata
from master.api.kinds.rules.rbac import GROUP, validate_policy_rules
from master.api.printers import creation_time as printer
from master.client.errors import Cause


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_metadata(obj, old, name_rule=names.path_segment, namespaced=False)
    causes.extend(validate_policy_rules(obj.get("rules"), namespaced=False))
    aggregation = obj.get("aggregationRule")
    if aggregation is not None:
        path = "aggregationRule.clusterRoleSelectors"
        selectors = aggregation.get("clusterRoleSelectors") or ()
        if not selectors:
            why = "at least one clusterRoleSelector required if aggregationRule is non-nil"
            causes.append(required(path, why))
        for index, selector in enumerate(selectors):
            causes.extend(validate_label_selector(selector, f"{path}[{index}]"))
    return causes


KIND = Kind(
    group=GROUP,
    version="v1",
    kind="ClusterRole",
    plural="clusterroles",
    singular="clusterrole",
    definition="io.k8s.api.rbac.v1.ClusterRole",
    namespaced=False,
    validate=_validate,
    columns=printer.COLUMNS,
    row=printer.row,
)
