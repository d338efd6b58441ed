"""PodDisruptionBudget: how many of some pods an eviction may take at a time. Counted by its controller, spent by evictions."""

from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules import names
from master.api.kinds.rules.conditions import validate_conditions
from master.api.kinds.rules.field_errors import invalid, not_supported
from master.api.kinds.rules.int_or_percent import validate_int_or_percent
from master.api.kinds.rules.lifecycle import first_generation, next_generation, only_status
from master.api.kinds.rules.metadata import validate_label_selector, validate_metadata
from master.api.kinds.rules.status_counts import default_counts, validate_counts
from master.api.printers import pod_disruption_budget as printer
from master.client.errors import Cause

EVICTION_POLICIES = ("AlwaysAllow", "IfHealthyBudget")
_COUNTS = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")


def _default(obj: Json) -> None:
    default_counts(obj, _COUNTS)


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_metadata(obj, old, name_rule=names.path_segment)
    spec = obj.get("spec") or {}
    least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
    if least is not None and most is not None:
        causes.append(invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set"))
    for field, amount in (("minAvailable", least), ("maxUnavailable", most)):
        if amount is not None:
            causes.extend(validate_int_or_percent(amount, f"spec.{field}", at_most_all=True))
    causes.extend(validate_label_selector(spec.get("selector"), "spec.selector"))
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy is not None and policy not in EVICTION_POLICIES:
        causes.append(not_supported("spec.unhealthyPodEvictionPolicy", policy, EVICTION_POLICIES))
    return causes


def _validate_status(obj: Json, old: Json | None) -> list[Cause]:
    status = obj.get("status") or {}
    return validate_conditions(status.get("conditions") or (), "status.conditions") + validate_counts(status, _COUNTS)


KIND = Kind(
    group="policy",
    version="v1",
    kind="PodDisruptionBudget",
    plural="poddisruptionbudgets",
    singular="poddisruptionbudget",
    short_names=("pdb",),
    definition="io.k8s.api.policy.v1.PodDisruptionBudget",
    subresources=frozenset({"status"}),
    default=_default,
    validate=_validate,
    validate_status=_validate_status,
    prepare_for_create=first_generation,
    prepare_for_update=next_generation,
    prepare_for_status_update=only_status,
    columns=printer.COLUMNS,
    row=printer.row,
)
