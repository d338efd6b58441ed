"""What a request is about, read from its method, path and query (k8s.io/apiserver pkg/endpoints/request/requestinfo.go)."""

from typing import Literal

import msgspec

from master.api.auth.protocol import Attributes, UserInfo, exact_matches
from master.api.kinds.rules.names import path_segment
from master.client.protocol import ResourceRef

_VERBS = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
#: Subresources of a namespace itself; any other segment there is a resource inside of it.
_NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})


class RequestInfo(msgspec.Struct, frozen=True, gc=False):
    """`verb` is Kubernetes' for a resource, the lower-case method for anything else. `rest`: path below the subresource."""

    verb: str
    path: str
    is_resource: bool = False
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    rest: tuple[str, ...] = ()
    field_selector: str = ""

    @property
    def ref(self) -> ResourceRef:
        return ResourceRef(self.group, self.version, self.resource)

    @property
    def scope(self) -> Literal["", "cluster", "namespace", "resource"]:
        """For metrics: what one request of this form covers."""
        if not self.is_resource:
            return ""
        if self.name:
            return "resource"
        return "namespace" if self.namespace else "cluster"

    def attributes(self, user: UserInfo) -> Attributes:
        if not self.is_resource:
            return Attributes(user, self.verb, path=self.path)
        return Attributes(
            user,
            self.verb,
            path=self.path,
            group=self.group,
            version=self.version,
            resource=self.resource,
            subresource=self.subresource,
            namespace=self.namespace,
            name=self.name or _selected_name(self.field_selector),
            field_selector=self.field_selector,
        )


def _selected_name(field_selector: str) -> str:
    """The one name that a list or watch is about: who may see that object may ask for it in this way too."""
    if "metadata.name" not in field_selector:
        return ""
    name = exact_matches(field_selector).get("metadata.name", "")
    return "" if path_segment(name) else name


def parse(method: str, path: str, *, watch: bool, field_selector: str = "") -> RequestInfo:
    """`path` without query, percent-decoded; `watch` and `field_selector`: what the query asks for."""
    verb = method.lower()
    segments = [segment for segment in path.split("/") if segment]
    if not segments or segments[0] not in ("api", "apis"):
        return RequestInfo(verb, path)
    prefix = 2 if segments[0] == "api" else 3
    if len(segments) <= prefix:
        return RequestInfo(verb, path)
    group = segments[1] if prefix == 3 else ""
    version = segments[prefix - 1]
    parts = segments[prefix:]
    if parts[0] == "watch":  # the old form /api/v1/watch/…
        watch = True
        parts = parts[1:]
        if not parts:
            return RequestInfo(verb, path)
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 1:
        if len(parts) > 2 and parts[2] not in _NAMESPACE_SUBRESOURCES:
            namespace, parts = parts[1], parts[2:]
        else:
            namespace = parts[1]
    name = parts[1] if len(parts) > 1 else ""
    below = len(parts) > 2
    # Below an object `watch` is the query of what is proxied, or nothing.
    verb = _verb(method, name, watch=watch and not below)
    return RequestInfo(
        verb,
        path,
        is_resource=True,
        group=group,
        version=version,
        resource=parts[0],
        subresource=parts[2] if below else "",
        namespace=namespace,
        name=name,
        rest=tuple(parts[3:]),
        # Of what is about several objects; a deletion of several never counts as one of a named object.
        field_selector=field_selector if verb in ("list", "watch") else "",
    )


def _verb(method: str, name: str, *, watch: bool) -> str:
    verb = _VERBS.get(method, method.lower())
    if verb == "get" and watch:
        return "watch"
    if verb == "get" and not name:
        return "list"
    if verb == "delete" and not name:
        return "deletecollection"
    return verb
