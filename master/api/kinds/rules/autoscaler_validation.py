"""Validation of a HorizontalPodAutoscaler in its autoscaling/v2 form, whichever version it was written in."""

from typing import Any

from master.api.kinds.rules import names
from master.api.kinds.rules.autoscaler_metrics import validate_metrics, validate_reference
from master.api.kinds.rules.field_errors import invalid, not_supported, required
from master.api.kinds.rules.metadata import validate_metadata
from master.api.kinds.rules.numbers import not_negative
from master.client.errors import Cause

Json = dict[str, Any]

SELECT_POLICIES = ("Disabled", "Max", "Min")
POLICY_TYPES = ("Percent", "Pods")
_MAX_PERIOD, _MAX_WINDOW = 1800, 3600


def validate_autoscaler(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_metadata(obj, old, name_rule=names.dns1123_subdomain)
    spec, before = obj.get("spec") or {}, (old or {}).get("spec") or {}
    least, most = spec.get("minReplicas"), spec.get("maxReplicas") or 0
    # Scaling to zero is alpha: only one that does so already may.
    bound = 0 if before.get("minReplicas") == 0 else 1
    if least is not None and least < bound:
        causes.append(invalid("spec.minReplicas", least, f"must be greater than or equal to {bound}"))
    if most < 1:
        causes.append(invalid("spec.maxReplicas", most, "must be greater than 0"))
    if least is not None and most < least:
        causes.append(invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`"))
    causes.extend(validate_reference(spec.get("scaleTargetRef") or {}, "spec.scaleTargetRef"))
    causes.extend(validate_metrics(spec.get("metrics") or (), "spec.metrics", to_zero=least == 0))
    for direction in ("scaleUp", "scaleDown"):
        rules = (spec.get("behavior") or {}).get(direction)
        if rules is not None:
            causes.extend(_validate_rules(rules, f"spec.behavior.{direction}"))
    return causes


def validate_autoscaler_status(obj: Json) -> list[Cause]:
    status = obj.get("status") or {}
    return [
        cause
        for field in ("currentReplicas", "desiredReplicas")
        for cause in not_negative(status.get(field), f"status.{field}")
    ]


def _validate_rules(rules: Json, path: str) -> list[Cause]:
    causes: list[Cause] = []
    window, select = rules.get("stabilizationWindowSeconds"), rules.get("selectPolicy")
    where = f"{path}.stabilizationWindowSeconds"
    if window is not None and window < 0:
        causes.append(invalid(where, window, "must be greater than or equal to zero"))
    if window is not None and window > _MAX_WINDOW:
        causes.append(invalid(where, window, f"must be less than or equal to {_MAX_WINDOW}"))
    if select is not None and select not in SELECT_POLICIES:
        causes.append(not_supported(f"{path}.selectPolicy", select, SELECT_POLICIES))
    policies = rules.get("policies") or ()
    if not policies:
        causes.append(required(f"{path}.policies", "must specify at least one Policy"))
    for index, policy in enumerate(policies):
        causes.extend(_validate_policy(policy, f"{path}.policies[{index}]"))
    return causes


def _validate_policy(policy: Json, path: str) -> list[Cause]:
    causes: list[Cause] = []
    kind, value, period = policy.get("type") or "", policy.get("value") or 0, policy.get("periodSeconds") or 0
    if kind not in POLICY_TYPES:
        causes.append(not_supported(f"{path}.type", kind, POLICY_TYPES))
    if value <= 0:
        causes.append(invalid(f"{path}.value", value, "must be greater than zero"))
    if period <= 0:
        causes.append(invalid(f"{path}.periodSeconds", period, "must be greater than zero"))
    if period > _MAX_PERIOD:
        causes.append(invalid(f"{path}.periodSeconds", period, f"must be less than or equal to {_MAX_PERIOD}"))
    return causes
