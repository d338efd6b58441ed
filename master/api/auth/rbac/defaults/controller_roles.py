"""The roles of controllers, for those that wherry has too: system:controller:NAME, bound to kube-system's account NAME.

In process they need none of them (they write as system:wherry-master); whoever runs one of Kubernetes' controllers beside
the master finds its permissions here.
"""

from master.api.auth.rbac.defaults.objects import (
    EVENTS,
    READ,
    cluster_role,
    cluster_role_binding,
    rule,
    service_account,
)
from master.client.protocol import Json

_APPS = ("apps", "extensions")
_CERTIFICATES = "certificates.k8s.io"
_SIGNERS = ("kube-apiserver-client", "kube-apiserver-client-kubelet", "kubelet-serving", "legacy-unknown")

_RULES: dict[str, tuple[Json, ...]] = {
    "certificate-controller": (
        rule(("delete", *READ), _CERTIFICATES, "certificatesigningrequests"),
        rule(("update",), _CERTIFICATES, "certificatesigningrequests/approval", "certificatesigningrequests/status"),
        rule(("approve",), _CERTIFICATES, "signers", names=("kubernetes.io/kube-apiserver-client-kubelet",)),
        rule(("sign",), _CERTIFICATES, "signers", names=tuple(f"kubernetes.io/{name}" for name in _SIGNERS)),
        rule(("create",), "authorization.k8s.io", "subjectaccessreviews"),
        EVENTS,
    ),
    "clusterrole-aggregation-controller": (
        rule(("escalate", "patch", "update", *READ), "rbac.authorization.k8s.io", "clusterroles"),
    ),
    "deployment-controller": (
        rule(("update", *READ), _APPS, "deployments"),
        rule(("update",), _APPS, "deployments/status"),
        rule(("update",), _APPS, "deployments/finalizers"),
        rule(("create", "delete", "patch", "update", *READ), _APPS, "replicasets"),
        rule(("update", *READ), "", "pods"),
        EVENTS,
    ),
    "endpoint-controller": (
        rule(READ, "", "pods", "services"),
        rule(("create", "delete", "update", *READ), "", "endpoints"),
        rule(("create",), "", "endpoints/restricted"),
        EVENTS,
    ),
    "endpointslice-controller": (
        rule(READ, "", "nodes", "pods", "services"),
        rule(("update",), "", "services/finalizers"),
        rule(("create", "delete", "update", *READ), "discovery.k8s.io", "endpointslices"),
        EVENTS,
    ),
    "endpointslicemirroring-controller": (
        rule(READ, "", "endpoints", "services"),
        rule(("update",), "", "services/finalizers"),
        rule(("update",), "", "endpoints/finalizers"),
        rule(("create", "delete", "update", *READ), "discovery.k8s.io", "endpointslices"),
        EVENTS,
    ),
    "generic-garbage-collector": (rule(("delete", "patch", "update", *READ), "*", "*"), EVENTS),
    "namespace-controller": (
        rule(("delete", *READ), "", "namespaces"),
        rule(("update",), "", "namespaces/finalize", "namespaces/status"),
        rule(("delete", "deletecollection", *READ), "*", "*"),
    ),
    "node-controller": (
        rule(("delete", "patch", "update", *READ), "", "nodes"),
        rule(("patch", "update"), "", "nodes/status"),
        rule(("patch", "update"), "", "pods/status"),
        rule(("delete", *READ), "", "pods"),
        EVENTS,
    ),
    "pod-garbage-collector": (
        rule(("delete", "list", "watch"), "", "pods"),
        rule(READ, "", "nodes"),
        rule(("patch",), "", "pods/status"),
    ),
    "pv-protection-controller": (rule(("update", *READ), "", "persistentvolumes"), EVENTS),
    "pvc-protection-controller": (
        rule(("update", *READ), "", "persistentvolumeclaims"),
        rule(("update",), "", "persistentvolumeclaims/status"),
        rule(READ, "", "pods"),
        EVENTS,
    ),
    "replicaset-controller": (
        rule(("update", *READ), _APPS, "replicasets"),
        rule(("update",), _APPS, "replicasets/status"),
        rule(("update",), _APPS, "replicasets/finalizers"),
        rule(("create", "delete", "list", "patch", "watch"), "", "pods"),
        EVENTS,
    ),
    "resourcequota-controller": (
        rule(("list", "watch"), "*", "*"),
        rule(("update",), "", "resourcequotas/status"),
        EVENTS,
    ),
    "root-ca-cert-publisher": (rule(("create", "update"), "", "configmaps"), EVENTS),
    "service-account-controller": (rule(("create",), "", "serviceaccounts"), EVENTS),
}

CONTROLLER_ROLES: tuple[Json, ...] = tuple(
    cluster_role(f"system:controller:{name}", *rules) for name, rules in sorted(_RULES.items())
)
CONTROLLER_BINDINGS: tuple[Json, ...] = tuple(
    cluster_role_binding(f"system:controller:{name}", service_account(name)) for name in sorted(_RULES)
)
