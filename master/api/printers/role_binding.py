"""`kubectl get rolebindings` and `kubectl get clusterrolebindings`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from master.api.printers.column import AGE, NAME, Column
from master.api.printers.duration import age

COLUMNS = (
    NAME,
    Column(name="Role", description="RoleRef can reference a Role in the current namespace or a ClusterRole."),
    AGE,
    Column(name="Users", priority=1, description="Users in the roleBinding"),
    Column(name="Groups", priority=1, description="Groups in the roleBinding"),
    Column(name="ServiceAccounts", priority=1, description="ServiceAccounts in the roleBinding"),
)


def row(obj: dict[str, Any], now: datetime) -> Sequence[Any]:
    role, subjects = obj.get("roleRef") or {}, obj.get("subjects") or ()
    return [
        obj["metadata"]["name"],
        f"{role.get('kind', '')}/{role.get('name', '')}",
        age(obj, now),
        ", ".join(subject.get("name", "") for subject in subjects if subject.get("kind") == "User"),
        ", ".join(subject.get("name", "") for subject in subjects if subject.get("kind") == "Group"),
        ", ".join(
            f"{subject.get('namespace', '')}/{subject.get('name', '')}"
            for subject in subjects
            if subject.get("kind") == "ServiceAccount"
        ),
    ]
