"""Who holds the default roles. system:node is bound to nobody: the node authoriser judges nodes by what their pods use."""

from master.api.auth.protocol import AUTHENTICATED, MASTERS, UNAUTHENTICATED
from master.api.auth.rbac.defaults.objects import cluster_role_binding, group, role_binding, service_account, user
from master.client.protocol import Json

_SCHEDULER = user("system:kube-scheduler")
_CONTROLLER_MANAGER = user("system:kube-controller-manager")

CLUSTER_BINDINGS: tuple[Json, ...] = (
    cluster_role_binding("cluster-admin", group(MASTERS)),
    cluster_role_binding("system:basic-user", group(AUTHENTICATED)),
    cluster_role_binding("system:discovery", group(AUTHENTICATED)),
    cluster_role_binding("system:public-info-viewer", group(AUTHENTICATED), group(UNAUTHENTICATED)),
    cluster_role_binding("system:monitoring", group("system:monitoring")),
    cluster_role_binding("system:service-account-issuer-discovery", group("system:serviceaccounts")),
    cluster_role_binding("system:kube-controller-manager", _CONTROLLER_MANAGER),
    cluster_role_binding("system:kube-dns", service_account("kube-dns")),
    cluster_role_binding("system:kube-scheduler", _SCHEDULER),
    cluster_role_binding("system:volume-scheduler", _SCHEDULER),
    cluster_role_binding("system:node"),
    cluster_role_binding("system:node-proxier", user("system:kube-proxy")),
)

NAMESPACE_BINDINGS: tuple[Json, ...] = (
    *(
        role_binding(namespace, name, service_account(name.removeprefix("system:controller:")), to=name)
        for namespace, name in (
            ("kube-public", "system:controller:bootstrap-signer"),
            ("kube-system", "system:controller:bootstrap-signer"),
            ("kube-system", "system:controller:token-cleaner"),
        )
    ),
    role_binding(
        "kube-system",
        "system::extension-apiserver-authentication-reader",
        _CONTROLLER_MANAGER,
        _SCHEDULER,
        to="extension-apiserver-authentication-reader",
    ),
    role_binding(
        "kube-system",
        "system::leader-locking-kube-controller-manager",
        _CONTROLLER_MANAGER,
        service_account("kube-controller-manager"),
        to="system::leader-locking-kube-controller-manager",
    ),
    role_binding(
        "kube-system",
        "system::leader-locking-kube-scheduler",
        _SCHEDULER,
        service_account("kube-scheduler"),
        to="system::leader-locking-kube-scheduler",
    ),
)
