"""The paths of a kind and the operations on them, before either OpenAPI version words them.

Clients find a kind by its paths (`kubectl explain`) and what a write accepts by its parameters (`kubectl apply --validate`
looks for fieldValidation).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from master.api.kinds.kind import Kind
from master.api.openapi.custom_resources import list_definition

_CORE = "io.k8s.api.core.v1."
#: Subresources whose body is of another kind: its definition, group and version.
_BODIES = {
    "binding": (_CORE + "Binding", "", "v1", "Binding"),
    "eviction": ("io.k8s.api.policy.v1.Eviction", "policy", "v1", "Eviction"),
    "scale": ("io.k8s.api.autoscaling.v1.Scale", "autoscaling", "v1", "Scale"),
}
_STREAMS = {
    "attach": "PodAttachOptions",
    "exec": "PodExecOptions",
    "portforward": "PodPortForwardOptions",
    "log": "Pod",
}
_STATUS = "io.k8s.apimachinery.pkg.apis.meta.v1.Status"
_DELETE_OPTIONS = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"
_PATCH = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch"

PATCH_TYPES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    type: str
    description: str


_PRETTY = Parameter("pretty", "string", "If 'true', then the output is pretty printed.")
_DRY_RUN = Parameter(
    "dryRun",
    "string",
    "When present, indicates that modifications should not be persisted. An invalid or unrecognized dryRun directive will "
    "result in an error response and no further processing of the request. Valid values are: - All: all dry run stages will "
    "be processed",
)
_MANAGER = Parameter(
    "fieldManager", "string", "fieldManager is a name associated with the actor or entity that is making these changes."
)
_VALIDATION = Parameter(
    "fieldValidation",
    "string",
    "fieldValidation instructs the server on how to handle objects in the request (POST/PUT/PATCH) containing unknown or "
    "duplicate fields. Valid values are: Ignore, Warn, Strict.",
)
_PATH = Parameter("path", "string", "Path is the URL path to use for the current proxy request.")
_FORCE = Parameter(
    "force",
    "boolean",
    'Force is going to "force" Apply requests. It means user will re-acquire conflicting fields owned by other people. Force '
    "flag must be unset for non-apply patch requests.",
)
_WRITE = (_PRETTY, _DRY_RUN, _MANAGER, _VALIDATION)
_PATCHED = (*_WRITE, _FORCE)
_LIST = (
    _PRETTY,
    Parameter("labelSelector", "string", "A selector to restrict the list of returned objects by their labels."),
    Parameter("fieldSelector", "string", "A selector to restrict the list of returned objects by their fields."),
    Parameter("limit", "integer", "limit is a maximum number of responses to return for a list call."),
    Parameter("continue", "string", "The continue option should be set when retrieving more results from the server."),
    Parameter("resourceVersion", "string", "resourceVersion sets a constraint on what versions a request may be served from."),
    Parameter("resourceVersionMatch", "string", "How resourceVersion is applied to list calls."),
    Parameter("sendInitialEvents", "boolean", "Whether a watch begins with the state of the collection."),
    Parameter("allowWatchBookmarks", "boolean", "Whether a watch may send bookmarks."),
    Parameter("timeoutSeconds", "integer", "Timeout for the list/watch call."),
    Parameter("watch", "boolean", "Watch for changes to the described resources."),
)
_DELETE = (
    _PRETTY,
    _DRY_RUN,
    Parameter("gracePeriodSeconds", "integer", "The duration in seconds before the object should be deleted."),
    Parameter(
        "propagationPolicy", "string", "Whether and how garbage collection will be performed: Orphan, Background, Foreground."
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method on one path. `body` and `response` are names of definitions, or "" for none."""

    method: str
    action: str
    id: str
    description: str
    group: str
    version: str
    kind: str
    response: str
    body: str = ""
    parameters: tuple[Parameter, ...] = ()
    consumes: tuple[str, ...] = ("*/*",)


@dataclass(frozen=True, slots=True)
class Path:
    """`parameters` are the path's own: "namespace", "name"."""

    path: str
    parameters: tuple[str, ...]
    operations: tuple[Operation, ...]


def roots(kinds: Iterable[Kind]) -> list[str]:
    """The definitions that the kinds' operations name; some may not exist."""
    names = {_STATUS, _DELETE_OPTIONS, _PATCH}
    for kind in kinds:
        for path in paths(kind):
            for operation in path.operations:
                names.update(filter(None, (operation.body, operation.response)))
    return sorted(names)


def paths(kind: Kind) -> Iterator[Path]:
    """All paths of a kind: collections, the object, its subresources."""
    base = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    scope = ("namespace",) if kind.namespaced else ()
    if kind.namespaced:
        collection = f"{base}/namespaces/{{namespace}}/{kind.plural}"
        if "list" in kind.verbs:
            everywhere = _operation(kind, "get", "list", suffix="ForAllNamespaces", response=_list_of(kind), parameters=_LIST)
            yield Path(f"{base}/{kind.plural}", (), (everywhere,))
    else:
        collection = f"{base}/{kind.plural}"
    yield Path(collection, scope, tuple(_collection_operations(kind)))
    item, named = f"{collection}/{{name}}", (*scope, "name")
    operations = tuple(_object_operations(kind))
    if operations:
        yield Path(item, named, operations)
    for subresource in sorted(kind.subresources):
        yield Path(f"{item}/{subresource}", named, tuple(_subresource_operations(kind, subresource)))


def _list_of(kind: Kind) -> str:
    return list_definition(kind) if kind.is_custom else f"{kind.definition}List"


def _patch_types(kind: Kind) -> tuple[str, ...]:
    """Clients read here which patches a kind takes; custom resources have no merge keys."""
    return tuple(name for name in PATCH_TYPES if not (kind.is_custom and name == "application/strategic-merge-patch+json"))


def _collection_operations(kind: Kind) -> Iterator[Operation]:
    if "list" in kind.verbs:
        yield _operation(kind, "get", "list", response=_list_of(kind), parameters=_LIST)
    if "create" in kind.verbs:
        yield _operation(kind, "post", "create", body=kind.definition, parameters=_WRITE)
    if "deletecollection" in kind.verbs:
        yield _operation(
            kind, "delete", "deletecollection", body=_DELETE_OPTIONS, response=_STATUS, parameters=(*_DELETE, *_LIST[1:3])
        )


def _object_operations(kind: Kind) -> Iterator[Operation]:
    if "get" in kind.verbs:
        yield _operation(kind, "get", "get", parameters=(_PRETTY,))
    if "update" in kind.verbs:
        yield _operation(kind, "put", "update", body=kind.definition, parameters=_WRITE)
    if "patch" in kind.verbs:
        yield _operation(kind, "patch", "patch", body=_PATCH, parameters=_PATCHED, consumes=_patch_types(kind))
    if "delete" in kind.verbs:
        yield _operation(kind, "delete", "delete", body=_DELETE_OPTIONS, response=_STATUS, parameters=_DELETE)


def _subresource_operations(kind: Kind, name: str) -> Iterator[Operation]:
    if name in _STREAMS:
        methods = ("get",) if name == "log" else ("get", "post")
        of = (_CORE + _STREAMS[name], "", "v1", _STREAMS[name])
        for method in methods:
            yield _operation(
                kind, method, "connect" if name != "log" else "get", suffix=name.title(), of=of, response="string"
            )
        return
    if name == "proxy":
        proxied = f"{kind.kind}ProxyOptions"
        for method in ("get", "post", "put", "patch", "delete", "head", "options"):
            of = (_CORE + proxied, "", "v1", proxied)
            yield _operation(kind, method, "connect", suffix="Proxy", of=of, response="string", parameters=(_PATH,))
        return
    definition, group, version, body_kind = _BODIES.get(name, (kind.definition, kind.group, kind.version, kind.kind))
    of = (definition, group, version, body_kind)
    if name in ("binding", "eviction"):
        yield _operation(kind, "post", "create", suffix=name.title(), of=of, body=definition, parameters=_WRITE)
        return
    if name != "finalize":
        yield _operation(kind, "get", "get", suffix=name.title(), of=of, parameters=(_PRETTY,))
        yield _operation(
            kind, "patch", "patch", suffix=name.title(), of=of, body=_PATCH, parameters=_PATCHED, consumes=_patch_types(kind)
        )
    yield _operation(kind, "put", "update", suffix=name.title(), of=of, body=definition, parameters=_WRITE)


def _operation(
    kind: Kind,
    method: str,
    action: str,
    *,
    suffix: str = "",
    of: tuple[str, str, str, str] | None = None,
    response: str = "",
    body: str = "",
    parameters: tuple[Parameter, ...] = (),
    consumes: tuple[str, ...] = ("*/*",),
) -> Operation:
    """`of`: the definition, group, version and kind that the operation is about, when they are not the path's kind's."""
    definition, group, version, name = of or (kind.definition, kind.group, kind.version, kind.kind)
    words = "".join(part.capitalize() for part in (kind.group.split(".")[0] or "core", kind.version))
    scope = "Namespaced" if kind.namespaced and suffix != "ForAllNamespaces" else ""
    verbs = {"get": "read", "update": "replace", "deletecollection": "delete", "connect": f"connect{method.capitalize()}"}
    collection = "Collection" if action == "deletecollection" else ""
    return Operation(
        method=method,
        action={"update": "put", "create": "post"}.get(action, action),
        id=f"{verbs.get(action, action)}{words}{collection}{scope}{kind.kind}{suffix}",
        description=f"{action} {kind.kind}",
        group=group,
        version=version,
        kind=name,
        response=response or definition,
        body=body,
        parameters=parameters,
        consumes=consumes,
    )
