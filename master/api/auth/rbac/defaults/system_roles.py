"""The roles of the system's own parts and of what everybody may: discovery, nodes, scheduler, approvers, delegated checks."""

from master.api.auth.rbac.defaults.objects import EVENTS, READ, cluster_role, role, rule, urls
from master.client.protocol import Json

_CERTIFICATES = "certificates.k8s.io"
_LEASES = "coordination.k8s.io"
_STORAGE = "storage.k8s.io"
_REVIEWS = (
    rule(("create",), "authentication.k8s.io", "tokenreviews"),
    rule(("create",), "authorization.k8s.io", "subjectaccessreviews"),
)
_HEALTH = ("/healthz", "/livez", "/readyz")

#: What every node may, beyond what the node authoriser allows by what its pods use.
NODE_RULES: tuple[Json, ...] = (
    rule(("create",), "authentication.k8s.io", "tokenreviews"),
    rule(("create",), "authorization.k8s.io", "localsubjectaccessreviews", "subjectaccessreviews"),
    rule(READ, "", "services"),
    rule(("create", "get", "list", "watch"), "", "nodes"),
    rule(("patch", "update"), "", "nodes/status"),
    rule(("patch", "update"), "", "nodes"),
    rule(("create", "patch", "update"), "", "events"),
    rule(READ, "", "pods"),
    rule(("create", "delete"), "", "pods"),
    rule(("patch", "update"), "", "pods/status"),
    rule(("create",), "", "pods/eviction"),
    rule(READ, "", "configmaps", "secrets"),
    rule(("get",), "", "persistentvolumeclaims", "persistentvolumes"),
    rule(("get",), "", "endpoints"),
    rule(("create", "get", "list", "watch"), _CERTIFICATES, "certificatesigningrequests"),
    rule(("create", "delete", "get", "patch", "update"), _LEASES, "leases"),
    rule(("get",), _STORAGE, "volumeattachments"),
    rule(("create",), "", "serviceaccounts/token"),
    rule(("get", "patch", "update"), "", "persistentvolumeclaims/status"),
    rule(READ, _STORAGE, "csidrivers"),
    rule(("create", "delete", "get", "patch", "update"), _STORAGE, "csinodes"),
    rule(READ, "node.k8s.io", "runtimeclasses"),
)


def _approver(signer: str, name: str) -> Json:
    approve = rule(("approve",), _CERTIFICATES, "signers", names=(f"kubernetes.io/{signer}",))
    return cluster_role(f"system:certificates.k8s.io:{name}-approver", approve)


def _requests(kind: str) -> Json:
    create = rule(("create",), _CERTIFICATES, f"certificatesigningrequests/{kind}")
    return cluster_role(f"system:certificates.k8s.io:certificatesigningrequests:{kind}", create)


def _leader_lock(component: str) -> tuple[Json, Json]:
    return (
        rule(("create",), _LEASES, "leases"),
        rule(("get", "update"), _LEASES, "leases", names=(component,)),
    )


SYSTEM_ROLES: tuple[Json, ...] = (
    cluster_role(
        "system:discovery",
        urls("/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*", "/version", "/version/", *_HEALTH),
    ),
    cluster_role(
        "system:basic-user",
        rule(("create",), "authorization.k8s.io", "selfsubjectaccessreviews", "selfsubjectrulesreviews"),
        rule(("create",), "authentication.k8s.io", "selfsubjectreviews"),
    ),
    cluster_role("system:public-info-viewer", urls("/version", "/version/", *_HEALTH)),
    cluster_role("system:monitoring", urls("/metrics", "/metrics/slis", *_HEALTH, *(f"{path}/*" for path in _HEALTH))),
    cluster_role("system:service-account-issuer-discovery", urls("/.well-known/openid-configuration", "/openid/v1/jwks")),
    cluster_role("system:auth-delegator", *_REVIEWS),
    cluster_role(
        "system:kubelet-api-admin",
        rule(READ, "", "nodes"),
        rule(("proxy",), "", "nodes"),
        rule(("*",), "", "nodes/log", "nodes/metrics", "nodes/proxy", "nodes/stats"),
    ),
    cluster_role("system:kube-aggregator", rule(READ, "", "endpoints", "services")),
    cluster_role("system:node", *NODE_RULES),
    cluster_role(
        "system:node-bootstrapper",
        rule(("create", "get", "list", "watch"), _CERTIFICATES, "certificatesigningrequests"),
    ),
    cluster_role(
        "system:node-problem-detector",
        rule(("get",), "", "nodes"),
        rule(("patch",), "", "nodes/status"),
        EVENTS,
    ),
    cluster_role(
        "system:node-proxier",
        rule(("list", "watch"), "", "endpoints", "services"),
        rule(READ, "", "nodes"),
        EVENTS,
        rule(("list", "watch"), "discovery.k8s.io", "endpointslices"),
    ),
    cluster_role("system:kube-dns", rule(("list", "watch"), "", "endpoints", "services")),
    cluster_role(
        "system:persistent-volume-provisioner",
        rule(("create", "delete", *READ), "", "persistentvolumes"),
        rule(("update", *READ), "", "persistentvolumeclaims"),
        rule(READ, _STORAGE, "storageclasses"),
        rule(("watch",), "", "events"),
        EVENTS,
    ),
    cluster_role(
        "system:kube-scheduler",
        EVENTS,
        *_leader_lock("kube-scheduler"),
        rule(READ, "", "nodes"),
        rule(("delete", *READ), "", "pods"),
        rule(("create",), "", "bindings", "pods/binding"),
        rule(("patch", "update"), "", "pods/status"),
        rule(READ, "", "replicationcontrollers", "services"),
        rule(READ, ("apps", "extensions"), "replicasets"),
        rule(READ, "apps", "statefulsets"),
        rule(READ, "policy", "poddisruptionbudgets"),
        rule(READ, "", "persistentvolumeclaims", "persistentvolumes"),
        *_REVIEWS,
        rule(READ, _STORAGE, "csinodes"),
        rule(READ, "", "namespaces"),
        rule(READ, _STORAGE, "csidrivers"),
        rule(READ, _STORAGE, "csistoragecapacities"),
    ),
    cluster_role(
        "system:volume-scheduler",
        rule(("patch", "update", *READ), "", "persistentvolumes"),
        rule(READ, _STORAGE, "storageclasses"),
        rule(("patch", "update", *READ), "", "persistentvolumeclaims"),
    ),
    cluster_role(
        "system:kube-controller-manager",
        EVENTS,
        *_leader_lock("kube-controller-manager"),
        rule(("create",), "", "secrets", "serviceaccounts"),
        rule(("delete",), "", "secrets"),
        rule(("get",), "", "configmaps", "namespaces", "secrets", "serviceaccounts"),
        rule(("update",), "", "secrets", "serviceaccounts"),
        *_REVIEWS,
        rule(("list", "watch"), "*", "*"),
        rule(("create",), "", "serviceaccounts/token"),
    ),
    _approver("kube-apiserver-client", "kube-apiserver-client"),
    _approver("kube-apiserver-client-kubelet", "kube-apiserver-client-kubelet"),
    _approver("kubelet-serving", "kubelet-serving"),
    _approver("legacy-unknown", "legacy-unknown"),
    _requests("nodeclient"),
    _requests("selfnodeclient"),
)

NAMESPACE_ROLES: tuple[Json, ...] = (
    role("kube-system", "system:controller:bootstrap-signer", rule(READ, "", "secrets")),
    role(
        "kube-public",
        "system:controller:bootstrap-signer",
        rule(READ, "", "configmaps"),
        rule(("update",), "", "configmaps", names=("cluster-info",)),
        EVENTS,
    ),
    role("kube-system", "system:controller:token-cleaner", rule(("delete", *READ), "", "secrets"), EVENTS),
    role(
        "kube-system",
        "extension-apiserver-authentication-reader",
        rule(READ, "", "configmaps", names=("extension-apiserver-authentication",)),
    ),
    role(
        "kube-system",
        "system::leader-locking-kube-controller-manager",
        rule(("create", "update", *READ), _LEASES, "leases"),
    ),
    role(
        "kube-system",
        "system::leader-locking-kube-scheduler",
        rule(("create", "update", *READ), _LEASES, "leases"),
    ),
)
