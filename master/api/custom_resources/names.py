"""Which names a definition gets: those that no other definition of its group has (NamingConditionController).

Pure functions over JSON, called by `controller`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from master.api.custom_resources.definition.names import APPROVAL
from master.api.kinds.kind import Kind
from proto.k8s.time import format_time

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Naming:
    """`accepted`: what the definition may be called; `conflict`: reason and message, or None."""

    accepted: Json
    conflict: tuple[str, str] | None


def accept_names(definition: Json, others: Iterable[Json], built_in: Iterable[Kind] = ()) -> Naming:
    """`others`: all definitions; those of other groups and itself do not count. `built_in`: the group's declared kinds.

    Kubernetes' server routes to its own kinds first and keeps custom objects elsewhere. Here they lie side by side, so a
    definition that has the name of a built-in kind, in whatever version, is served in none.
    """
    spec, name = definition["spec"], definition["metadata"]["name"]
    resources: set[str] = set()
    kinds: set[str] = set()
    for kind in built_in:
        resources |= {kind.plural, kind.singular, *kind.short_names}
        kinds |= {kind.kind, f"{kind.kind}List"}
    for other in others:
        if other["spec"].get("group") != spec.get("group") or other["metadata"]["name"] == name:
            continue
        taken = (other.get("status") or {}).get("acceptedNames") or {}
        resources |= {taken.get("plural") or "", taken.get("singular") or "", *(taken.get("shortNames") or ())} - {""}
        kinds |= {taken.get("kind") or "", taken.get("listKind") or ""} - {""}
    wanted: Json = spec["names"]
    accepted = {key: value for key, value in ((definition.get("status") or {}).get("acceptedNames") or {}).items() if value}
    conflict: tuple[str, str] | None = None
    for field, used, reason in (
        ("plural", resources, "PluralConflict"),
        ("singular", resources, "SingularConflict"),
        ("shortNames", resources, "ShortNamesConflict"),
        ("kind", kinds, "KindConflict"),
        ("listKind", kinds, "ListKindConflict"),
    ):
        value = wanted.get(field)
        asked = value if isinstance(value, list) else [value]
        mine = accepted.get(field) or []
        clashes = [
            one for one in asked if one and one in used and one != mine and one not in (mine if isinstance(mine, list) else ())
        ]
        if clashes:
            text = [f'"{one}" is already in use' for one in clashes]
            conflict = (reason, text[0] if len(text) == 1 else "[" + ", ".join(text) + "]")
        elif value:
            accepted[field] = value
        else:
            accepted.pop(field, None)
    if wanted.get("categories"):
        accepted["categories"] = wanted["categories"]
    else:
        accepted.pop("categories", None)
    return Naming(accepted, conflict)


def status_of(definition: Json, naming: Naming, now: datetime) -> Json:
    """The status that a definition should have: its names, NamesAccepted and Established."""
    status: Json = dict(definition.get("status") or {})
    conditions = list(status.get("conditions") or ())
    was_established = any(one["type"] == "Established" and one["status"] == "True" for one in conditions)
    if naming.conflict is None:
        conditions = _with(conditions, "NamesAccepted", "True", "NoConflicts", "no conflicts found", now)
        established = ("True", "InitialNamesAccepted", "the initial names have been accepted")
    else:
        conditions = _with(conditions, "NamesAccepted", "False", *naming.conflict, now)
        established = ("False", "NotAccepted", "not all names are accepted")
    if not was_established:
        conditions = _with(conditions, "Established", *established, now)
    approval = _approval(definition)
    if approval is not None:
        conditions = _with(conditions, "KubernetesAPIApprovalPolicyConformant", *approval, now)
    status["acceptedNames"] = {"plural": "", "kind": "", **naming.accepted}
    status["conditions"] = conditions
    return status


def _approval(definition: Json) -> tuple[str, str, str] | None:
    group = definition["spec"].get("group") or ""
    if not group.endswith((".k8s.io", ".kubernetes.io")):
        return None
    value = (definition["metadata"].get("annotations") or {}).get(APPROVAL) or ""
    if not value:
        return "False", "MissingAnnotation", f'protected groups must have approval annotation "{APPROVAL}"'
    if value.startswith("unapproved"):
        return "False", "UnapprovedAnnotation", f'not approved: "{value}"'
    return "True", "ApprovedAnnotation", f"approved in {value}"


def _with(conditions: list[Json], kind: str, status: str, reason: str, message: str, now: datetime) -> list[Json]:
    """The conditions with one set; its time only changes with its status."""
    condition = {
        "type": kind,
        "status": status,
        "lastTransitionTime": format_time(now),
        "reason": reason,
        "message": message,
    }
    result = []
    found = False
    for one in conditions:
        if one["type"] == kind:
            found = True
            if one["status"] == status:
                condition["lastTransitionTime"] = one.get("lastTransitionTime") or condition["lastTransitionTime"]
            result.append(condition)
        else:
            result.append(one)
    return result if found else [*result, condition]
