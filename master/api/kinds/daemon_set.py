"""DaemonSet: a pod on each node that its template fits."""

from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import invalid, not_supported, required
from master.api.kinds.rules.int_or_percent import is_zero, validate_int_or_percent
from master.api.kinds.rules.lifecycle import first_generation, next_generation, only_status
from master.api.kinds.rules.metadata import validate_label_selector, validate_metadata
from master.api.kinds.rules.numbers import not_negative
from master.api.kinds.rules.pod_template import (
    default_template,
    validate_restarts_always,
    validate_selected,
    validate_selector_update,
    validate_template,
)
from master.api.kinds.rules.status_counts import default_counts, validate_collisions, validate_counts
from master.api.printers import daemon_set as printer
from master.client.errors import Cause

STRATEGIES = ("OnDelete", "RollingUpdate")
#: How often the template changed; apps/v1 keeps what was a field of older versions.
TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
_REQUIRED_COUNTS = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady")
_COUNTS = (
    *_REQUIRED_COUNTS, "observedGeneration", "updatedNumberScheduled", "numberAvailable", "numberUnavailable",
    "collisionCount",
)  # fmt: skip


def _default(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    strategy = spec.setdefault("updateStrategy", {})
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", 1)
        rolling.setdefault("maxSurge", 0)
    spec.setdefault("revisionHistoryLimit", 10)
    default_template(spec)
    default_counts(obj, _REQUIRED_COUNTS)


def _prepare_for_create(obj: Json) -> None:
    first_generation(obj)
    _set_template_generation(obj, 1)


def _prepare_for_update(obj: Json, old: Json) -> None:
    # What the client left to its default is no change.
    _default(obj)
    next_generation(obj, old)
    given = (old["metadata"].get("annotations") or {}).get(TEMPLATE_GENERATION, "")
    generation = int(given) if given.isascii() and given.isdigit() and len(given) < 19 else 1
    changed = obj["spec"].get("template") != (old.get("spec") or {}).get("template")
    _set_template_generation(obj, generation + changed)


def _set_template_generation(obj: Json, generation: int) -> None:
    metadata = obj["metadata"]
    metadata["annotations"] = {**(metadata.get("annotations") or {}), TEMPLATE_GENERATION: str(generation)}


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_metadata(obj, old, name_rule=names.dns1123_subdomain)
    spec = obj.get("spec") or {}
    selector, template = spec.get("selector"), spec.get("template") or {}
    causes.extend(validate_label_selector(selector, "spec.selector"))
    if selector is None:
        labels = (template.get("metadata") or {}).get("labels") or {}
        message = "`selector` does not match template `labels`"
        causes.append(invalid("spec.template.metadata.labels", labels, message))
    elif not selector.get("matchLabels") and not selector.get("matchExpressions"):
        causes.append(invalid("spec.selector", selector, "empty selector is invalid for daemonset"))
    else:
        causes.extend(validate_selected(selector, template, "spec.template"))
    causes.extend(validate_template(template, "spec.template"))
    causes.extend(validate_restarts_always(template, "spec.template", kind="DaemonSet"))
    causes.extend(not_negative(spec.get("minReadySeconds"), "spec.minReadySeconds"))
    causes.extend(_validate_strategy(spec.get("updateStrategy") or {}))
    causes.extend(not_negative(spec.get("revisionHistoryLimit"), "spec.revisionHistoryLimit"))
    if old is not None:
        causes.extend(validate_selector_update(spec, old.get("spec") or {}))
    return causes


def _validate_strategy(strategy: Json) -> list[Cause]:
    path = "spec.updateStrategy"
    match strategy.get("type"):
        case "OnDelete":
            return []
        case "RollingUpdate":
            rolling = strategy.get("rollingUpdate")
            if rolling is None:
                return [required(f"{path}.rollingUpdate")]
            return _validate_rolling(rolling, f"{path}.rollingUpdate")
        case _:
            return [not_supported(path, strategy, STRATEGIES)]


def _validate_rolling(rolling: Json, path: str) -> list[Cause]:
    unavailable, surge = rolling.get("maxUnavailable"), rolling.get("maxSurge")
    causes = validate_int_or_percent(unavailable, f"{path}.maxUnavailable", at_most_all=True)
    causes.extend(validate_int_or_percent(surge, f"{path}.maxSurge", at_most_all=True))
    if causes:
        return causes
    if not is_zero(unavailable) and not is_zero(surge):
        causes.append(invalid(f"{path}.maxSurge", surge, "may not be set when maxUnavailable is non-zero"))
    if is_zero(unavailable) and is_zero(surge):
        causes.append(required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0"))
    return causes


def _validate_status(obj: Json, old: Json | None) -> list[Cause]:
    status = obj.get("status") or {}
    return validate_counts(status, _COUNTS) + validate_collisions(status, (old or {}).get("status") or {})


KIND = Kind(
    group="apps",
    version="v1",
    kind="DaemonSet",
    plural="daemonsets",
    singular="daemonset",
    short_names=("ds",),
    categories=("all",),
    definition="io.k8s.api.apps.v1.DaemonSet",
    subresources=frozenset({"status"}),
    default=_default,
    validate=_validate,
    validate_status=_validate_status,
    prepare_for_create=_prepare_for_create,
    prepare_for_update=_prepare_for_update,
    prepare_for_status_update=only_status,
    columns=printer.COLUMNS,
    row=printer.row,
)
