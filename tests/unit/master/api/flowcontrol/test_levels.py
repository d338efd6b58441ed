"""Which level a request is of."""

import pytest

from master.api.auth.protocol import AUTHENTICATED, MASTERS, UserInfo
from master.api.flowcontrol.levels import flow_of
from master.api.http.request_info import parse

ACCOUNTS = "system:serviceaccounts"


@pytest.mark.parametrize(
    ("user", "groups", "path", "level", "schema"),
    [
        ("admin", (MASTERS,), "/api/v1/pods", None, "exempt"),
        ("jane", (), "/healthz", None, "probes"),
        ("jane", (), "/readyz/ping", None, "probes"),
        ("system:node:a", ("system:nodes",), "/api/v1/nodes/a/status", "node-high", "system-node-high"),
        ("system:node:a", ("system:nodes",), "/api/v1/pods", "system", "system-nodes"),
        ("system:kube-scheduler", (), "/api/v1/pods", "workload-high", "kube-scheduler"),
        (
            "system:kube-scheduler",
            (),
            "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/x",
            "leader-election",
            "system-leader-election",
        ),
        (
            "system:serviceaccount:kube-system:x",
            (ACCOUNTS, f"{ACCOUNTS}:kube-system"),
            "/api/v1/pods",
            "workload-high",
            "kube-system-service-accounts",
        ),
        (
            "system:serviceaccount:default:x",
            (ACCOUNTS, f"{ACCOUNTS}:default"),
            "/api/v1/pods",
            "workload-low",
            "service-accounts",
        ),
        ("jane", (AUTHENTICATED,), "/api/v1/pods", "global-default", "global-default"),
        ("system:anonymous", ("system:unauthenticated",), "/version", "global-default", "global-default"),
    ],
)
def test_level_and_schema(user: str, groups: tuple[str, ...], path: str, level: str | None, schema: str) -> None:
    flow = flow_of(UserInfo(user, groups=groups), parse("GET", path, watch=False))
    assert (flow.level.name if flow.level else None, flow.schema) == (level, schema)
