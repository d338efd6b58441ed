"""The roles for people: cluster-admin, and admin, edit and view, which gather the roles that are labelled for them."""

from master.api.auth.rbac.defaults.objects import READ, READ_WRITE, WRITE, cluster_role, rule
from master.client.protocol import Json

_EXTENSIONS = "extensions"

AGGREGATE_TO_ADMIN = cluster_role(
    "system:aggregate-to-admin",
    rule(("create",), "authorization.k8s.io", "localsubjectaccessreviews"),
    rule(READ_WRITE, "rbac.authorization.k8s.io", "roles", "rolebindings"),
    aggregate_to="admin",
)

AGGREGATE_TO_EDIT = cluster_role(
    "system:aggregate-to-edit",
    rule(READ, "", "pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets", "services/proxy"),
    rule(("impersonate",), "", "serviceaccounts"),
    rule(WRITE, "", "pods", "pods/attach", "pods/exec", "pods/portforward", "pods/proxy"),
    rule(("create",), "", "pods/eviction"),
    rule(
        WRITE, "", "configmaps", "events", "persistentvolumeclaims", "replicationcontrollers", "replicationcontrollers/scale",
        "secrets", "serviceaccounts", "services", "services/proxy",
    ),
    rule(("create",), "", "serviceaccounts/token"),
    rule(
        WRITE, "apps", "daemonsets", "deployments", "deployments/rollback", "deployments/scale", "replicasets",
        "replicasets/scale", "statefulsets", "statefulsets/scale",
    ),
    rule(WRITE, "autoscaling", "horizontalpodautoscalers"),
    rule(WRITE, "batch", "cronjobs", "jobs"),
    rule(
        WRITE, _EXTENSIONS, "daemonsets", "deployments", "deployments/rollback", "deployments/scale", "ingresses",
        "networkpolicies", "replicasets", "replicasets/scale", "replicationcontrollers/scale",
    ),
    rule(WRITE, "policy", "poddisruptionbudgets"),
    rule(WRITE, "networking.k8s.io", "ingresses", "networkpolicies"),
    rule(READ_WRITE, "coordination.k8s.io", "leases"),
    aggregate_to="edit",
)  # fmt: skip

AGGREGATE_TO_VIEW = cluster_role(
    "system:aggregate-to-view",
    rule(
        READ, "", "configmaps", "endpoints", "persistentvolumeclaims", "persistentvolumeclaims/status", "pods",
        "replicationcontrollers", "replicationcontrollers/scale", "serviceaccounts", "services", "services/status",
    ),
    rule(
        READ, "", "bindings", "events", "limitranges", "namespaces/status", "pods/log", "pods/status",
        "replicationcontrollers/status", "resourcequotas", "resourcequotas/status",
    ),
    # In a namespace this shows that namespace alone.
    rule(READ, "", "namespaces"),
    rule(READ, "discovery.k8s.io", "endpointslices"),
    rule(
        READ, "apps", "controllerrevisions", "daemonsets", "daemonsets/status", "deployments", "deployments/scale",
        "deployments/status", "replicasets", "replicasets/scale", "replicasets/status", "statefulsets", "statefulsets/scale",
        "statefulsets/status",
    ),
    rule(READ, "autoscaling", "horizontalpodautoscalers", "horizontalpodautoscalers/status"),
    rule(READ, "batch", "cronjobs", "cronjobs/status", "jobs", "jobs/status"),
    rule(
        READ, _EXTENSIONS, "daemonsets", "daemonsets/status", "deployments", "deployments/scale", "deployments/status",
        "ingresses", "ingresses/status", "networkpolicies", "replicasets", "replicasets/scale", "replicasets/status",
        "replicationcontrollers/scale",
    ),
    rule(READ, "policy", "poddisruptionbudgets", "poddisruptionbudgets/status"),
    rule(READ, "networking.k8s.io", "ingresses", "ingresses/status", "networkpolicies"),
    aggregate_to="view",
)  # fmt: skip


#: As metrics-server brings it along.
AGGREGATED_METRICS_READER = cluster_role(
    "system:aggregated-metrics-reader",
    rule(READ, "metrics.k8s.io", "nodes", "pods"),
    aggregate_to=("admin", "edit", "view"),
)


def _rules(*roles: Json) -> list[Json]:
    return [one for made in roles for one in made["rules"]]


#: What gathers others begins with what the controller would gather: there is no moment in which it gives nothing.
USER_ROLES: tuple[Json, ...] = (
    cluster_role("cluster-admin", rule(("*",), "*", "*"), {"verbs": ["*"], "nonResourceURLs": ["*"]}),
    cluster_role(
        "admin", *_rules(AGGREGATE_TO_EDIT, AGGREGATE_TO_VIEW, AGGREGATE_TO_ADMIN, AGGREGATED_METRICS_READER),
        gathers="admin",
    ),
    cluster_role(
        "edit", *_rules(AGGREGATE_TO_EDIT, AGGREGATE_TO_VIEW, AGGREGATED_METRICS_READER), aggregate_to="admin", gathers="edit",
    ),
    cluster_role("view", *_rules(AGGREGATE_TO_VIEW, AGGREGATED_METRICS_READER), aggregate_to="edit", gathers="view"),
    AGGREGATE_TO_ADMIN,
    AGGREGATE_TO_EDIT,
    AGGREGATE_TO_VIEW,
    AGGREGATED_METRICS_READER,
)  # fmt: skip
