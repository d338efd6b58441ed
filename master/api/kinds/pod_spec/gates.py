"""Pods that must not be scheduled yet: what their status says, and what may change while they wait (KEP-3521).

Called by the pod's kind on create, and by `updates` on update.
"""

from typing import Any

from master.api.kinds.rules.field_errors import forbidden, invalid
from master.client.errors import Cause

Json = dict[str, Any]

#: What PodScheduled says of a pod with gates from its creation on (applySchedulingGatedCondition).
GATED_CONDITION: Json = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "SchedulingGated",
    "message": "Scheduling is blocked due to non-empty scheduling gates",
}
_AFFINITY = "spec.affinity.nodeAffinity"
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_ONLY_ADDITIONS = "only additions are allowed (no mutations or deletions)"


def validate_gates_update(new: list[Json], old: list[Json]) -> list[Cause]:
    """Gates only go."""
    before = {gate.get("name") for gate in old}
    return [
        forbidden(
            f"spec.schedulingGates[{index}].name",
            f"only deletion is allowed, but found new scheduling gate '{gate.get('name')}'",
        )
        for index, gate in enumerate(new)
        if gate.get("name") not in before
    ]


def validate_gated_update(spec: Json, before: Json) -> list[Cause]:
    """The node selector and the node affinity of a pod that had gates may become narrower, as whoever holds the gate says."""
    causes: list[Cause] = []
    selector, selected = spec.get("nodeSelector") or {}, before.get("nodeSelector") or {}
    if not selected.items() <= selector.items():
        message = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        causes.append(invalid("spec.nodeSelector", selector, message))
    affinity, old = _node_affinity(spec), _node_affinity(before)
    if old is not None:
        causes.extend(_validate_terms(_terms(affinity or {}), _terms(old)))
    return causes


def with_old_placement(spec: Json, before: Json) -> None:
    """Put back what `validate_gated_update` judges, in a spec that is the caller's own."""
    _put_back(spec, before, "nodeSelector")
    old = _node_affinity(before)
    affinity = dict(spec.get("affinity") or {})
    affinity.pop("nodeAffinity", None)
    spec["affinity"] = {**affinity, **({"nodeAffinity": old} if old is not None else {})}
    if not spec["affinity"] and not before.get("affinity"):
        _put_back(spec, before, "affinity")


def _validate_terms(new: list[Json], old: list[Json]) -> list[Cause]:
    path = f"{_AFFINITY}.{_REQUIRED}.nodeSelectorTerms"
    if old and len(old) != len(new):
        return [invalid(path, new, "no additions/deletions to non-empty NodeSelectorTerms list are allowed")]
    return [
        invalid(f"{path}[{index}]", term, _ONLY_ADDITIONS)
        for index, (term, known) in enumerate(zip(new, old, strict=False))
        if not _only_adds(term, known)
    ]


def _only_adds(new: Json, old: Json) -> bool:
    """An empty term selects nothing: filling it would widen it."""
    kept = all(
        (new.get(field) or [])[: len(old.get(field) or [])] == (old.get(field) or [])
        for field in ("matchExpressions", "matchFields")
    )
    return kept and (new == old or bool(old.get("matchExpressions") or old.get("matchFields")))


def _node_affinity(spec: Json) -> Json | None:
    found: Json | None = (spec.get("affinity") or {}).get("nodeAffinity")
    return found


def _terms(affinity: Json) -> list[Json]:
    terms: list[Json] = (affinity.get(_REQUIRED) or {}).get("nodeSelectorTerms") or []
    return terms


def _put_back(spec: Json, before: Json, field: str) -> None:
    if field in before:
        spec[field] = before[field]
    else:
        spec.pop(field, None)
