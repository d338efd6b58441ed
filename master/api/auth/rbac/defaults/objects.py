"""Short ways to write down roles and bindings as plain JSON."""

from collections.abc import Iterable

from master.api.auth.rbac.policy import GROUP
from master.client.protocol import Json

API_VERSION = f"{GROUP}/v1"
#: Its value "false" keeps the start from changing an object.
AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
_LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}

READ = ("get", "list", "watch")
WRITE = ("create", "delete", "deletecollection", "patch", "update")
READ_WRITE = (*READ, *WRITE)


def rule(verbs: Iterable[str], group: str | Iterable[str], *resources: str, names: Iterable[str] = ()) -> Json:
    """A rule about resources of one group, or of several."""
    groups = [group] if isinstance(group, str) else list(group)
    made: Json = {"verbs": sorted(verbs), "apiGroups": groups, "resources": sorted(resources)}
    if names:
        made["resourceNames"] = sorted(names)
    return made


def urls(*paths: str) -> Json:
    """A rule to get paths."""
    return {"verbs": ["get"], "nonResourceURLs": sorted(paths)}


#: To tell events.
EVENTS = rule(("create", "patch", "update"), ("", "events.k8s.io"), "events")


def cluster_role(name: str, *rules: Json, aggregate_to: str | Iterable[str] = (), gathers: str = "") -> Json:
    """`aggregate_to`: the role or roles that take these rules in; `gathers`: the name by which it takes in others' rules."""
    labels = dict(_LABELS)
    for taker in [aggregate_to] if isinstance(aggregate_to, str) else aggregate_to:
        labels[_aggregation(taker)] = "true"
    role: Json = {**_object("ClusterRole", name, labels=labels), "rules": list(rules)}
    if gathers:
        role["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": {_aggregation(gathers): "true"}}]}
    return role


def role(namespace: str, name: str, *rules: Json) -> Json:
    return {**_object("Role", name, namespace), "rules": list(rules)}


def cluster_role_binding(name: str, *subjects: Json, to: str = "") -> Json:
    """`to`: the role, when it is not called like the binding."""
    binding = _object("ClusterRoleBinding", name)
    binding["roleRef"] = {"apiGroup": GROUP, "kind": "ClusterRole", "name": to or name}
    if subjects:
        binding["subjects"] = list(subjects)
    return binding


def role_binding(namespace: str, name: str, *subjects: Json, to: str) -> Json:
    binding = _object("RoleBinding", name, namespace)
    binding["roleRef"] = {"apiGroup": GROUP, "kind": "Role", "name": to}
    binding["subjects"] = list(subjects)
    return binding


def user(name: str) -> Json:
    return {"kind": "User", "apiGroup": GROUP, "name": name}


def group(name: str) -> Json:
    return {"kind": "Group", "apiGroup": GROUP, "name": name}


def service_account(name: str, namespace: str = "kube-system") -> Json:
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}


def _aggregation(name: str) -> str:
    return f"rbac.authorization.k8s.io/aggregate-to-{name}"


def _object(kind: str, name: str, namespace: str = "", labels: dict[str, str] | None = None) -> Json:
    metadata: Json = {"name": name, "labels": labels or dict(_LABELS), "annotations": {AUTOUPDATE: "true"}}
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata}
