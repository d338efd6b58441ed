"""How each subresource looks in discovery: the kind of its body and its verbs."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Subresource:
    """`kind` "" means the kind of the object itself; then `group` and `version` are its own too.

    "{}" in `kind` stands for the object's kind.
    """

    verbs: tuple[str, ...]
    group: str = ""
    version: str = ""
    kind: str = ""


SUBRESOURCES = {
    "approval": Subresource(("get", "patch", "update")),
    "attach": Subresource(("create", "get"), "", "v1", "PodAttachOptions"),
    "binding": Subresource(("create",), "", "v1", "Binding"),
    "ephemeralcontainers": Subresource(("get", "patch", "update")),
    "resize": Subresource(("get", "patch", "update")),
    "eviction": Subresource(("create",), "policy", "v1", "Eviction"),
    "exec": Subresource(("create", "get"), "", "v1", "PodExecOptions"),
    "finalize": Subresource(("update",)),
    "log": Subresource(("get",)),
    "proxy": Subresource(("create", "delete", "get", "patch", "update"), "", "v1", "{}ProxyOptions"),
    "portforward": Subresource(("create", "get"), "", "v1", "PodPortForwardOptions"),
    "scale": Subresource(("get", "patch", "update"), "autoscaling", "v1", "Scale"),
    "status": Subresource(("get", "patch", "update")),
    "token": Subresource(("create",), "authentication.k8s.io", "v1", "TokenRequest"),
}
