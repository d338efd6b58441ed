"""Rules that RBAC's kinds share (pkg/apis/rbac/validation). Who may grant what is `master.api.auth`'s."""

from typing import Any

from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import invalid, not_supported, required
from master.client.errors import Cause

Json = dict[str, Any]

GROUP = "rbac.authorization.k8s.io"


def validate_policy_rules(rules: Any, *, namespaced: bool) -> list[Cause]:
    """Errors of a Role's (`namespaced`) or ClusterRole's rules."""
    causes: list[Cause] = []
    for index, rule in enumerate(rules or ()):
        path = f"rules[{index}]"
        if not rule.get("verbs"):
            causes.append(required(f"{path}.verbs", "verbs must contain at least one value"))
        groups, resources, resource_names = rule.get("apiGroups"), rule.get("resources"), rule.get("resourceNames")
        if urls := rule.get("nonResourceURLs"):
            where = f"{path}.nonResourceURLs"
            if namespaced:
                causes.append(invalid(where, urls, "namespaced rules cannot apply to non-resource URLs"))
            if groups or resources or resource_names:
                causes.append(invalid(where, urls, "rules cannot apply to both regular resources and non-resource URLs"))
            continue
        if not groups:
            causes.append(required(f"{path}.apiGroups", "resource rules must supply at least one api group"))
        if not resources:
            causes.append(required(f"{path}.resources", "resource rules must supply at least one resource"))
        if resource_names and len(resources or ()) > 1:
            causes.append(required(f"{path}.resourceNames", "resource names cannot apply to multiple resources"))
    return causes


def default_binding(obj: Json) -> None:
    """A role is RBAC's, and so are users and groups."""
    role = obj.setdefault("roleRef", {})
    if not role.get("apiGroup"):
        role["apiGroup"] = GROUP
    for subject in obj.get("subjects") or ():
        if not subject.get("apiGroup") and subject.get("kind") in ("User", "Group"):
            subject["apiGroup"] = GROUP


def validate_binding(obj: Json, old: Json | None, *, namespaced: bool) -> list[Cause]:
    """Errors of a RoleBinding (`namespaced`) or a ClusterRoleBinding, but for its metadata."""
    causes: list[Cause] = []
    role = obj.get("roleRef") or {}
    group, kind, name = role.get("apiGroup") or "", role.get("kind") or "", role.get("name") or ""
    if group != GROUP:
        causes.append(not_supported("roleRef.apiGroup", group, [GROUP]))
    kinds = ["Role", "ClusterRole"] if namespaced else ["ClusterRole"]
    if kind not in kinds:
        causes.append(not_supported("roleRef.kind", kind, kinds, in_order=True))
    if not name:
        causes.append(required("roleRef.name"))
    else:
        causes.extend(invalid("roleRef.name", name, why) for why in names.path_segment(name))
    for index, subject in enumerate(obj.get("subjects") or ()):
        causes.extend(_validate_subject(subject, f"subjects[{index}]", namespaced=namespaced))
    if old is not None and role != (old.get("roleRef") or {}):
        causes.append(invalid("roleRef", role, "cannot change roleRef"))
    return causes


def _validate_subject(subject: Json, path: str, *, namespaced: bool) -> list[Cause]:
    causes: list[Cause] = []
    kind, group, name = subject.get("kind") or "", subject.get("apiGroup") or "", subject.get("name") or ""
    if not name:
        causes.append(required(f"{path}.name"))
    match kind:
        case "ServiceAccount":
            if name:
                causes.extend(invalid(f"{path}.name", name, why) for why in names.dns1123_subdomain(name))
            if group:
                causes.append(not_supported(f"{path}.apiGroup", group, [""]))
            if not namespaced and not subject.get("namespace"):
                causes.append(required(f"{path}.namespace"))
        case "User" | "Group":
            if not name:
                causes.append(invalid(f"{path}.name", name, f"{kind.lower()} name cannot be empty"))
            if group != GROUP:
                causes.append(not_supported(f"{path}.apiGroup", group, [GROUP]))
        case _:
            causes.append(not_supported(f"{path}.kind", kind, ["ServiceAccount", "User", "Group"], in_order=True))
    return causes
