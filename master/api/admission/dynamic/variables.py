"""The variables that expressions of dynamic admission may name, their types and their values. Imported when first used.

`object`, `oldObject` and `params` are of any type; `request` and `namespaceObject` have theirs; `authorizer` asks what the
user may. Source: k8s.io/apiserver pkg/admission/plugin/cel/compile.go
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from master.api.admission.dynamic.attributes import Attributes
from master.api.admission.dynamic.context import Context
from master.api.admission.dynamic.expression_authorizer import (
    AUTHORIZER,
    NAMES,
    OVERLOADS,
    RESOURCE_CHECK,
    ExpressionAuthorizer,
    ResourceCheck,
)
from master.api.admission.dynamic.webhooks.review import kind_of, resource_of
from master.api.cel.environment import Environment
from master.api.cel.types import BOOL, DYN, INT, STRING, TIMESTAMP, Field, Type, list_of, map_of, object_type
from master.client.protocol import Json


def _object(name: str, /, **fields: Type) -> Type:
    return object_type(name, {field: Field(kind, field) for field, kind in fields.items()})


_KIND = _object("kubernetes.GroupVersionKind", group=STRING, version=STRING, kind=STRING)
_RESOURCE = _object("kubernetes.GroupVersionResource", group=STRING, version=STRING, resource=STRING)
_USER = _object(
    "kubernetes.UserInfo", username=STRING, uid=STRING, groups=list_of(STRING), extra=map_of(STRING, list_of(STRING))
)
_REQUEST = _object(
    "kubernetes.AdmissionRequest",
    kind=_KIND,
    resource=_RESOURCE,
    subResource=STRING,
    requestKind=_KIND,
    requestResource=_RESOURCE,
    requestSubResource=STRING,
    name=STRING,
    namespace=STRING,
    operation=STRING,
    userInfo=_USER,
    dryRun=BOOL,
    options=DYN,
)
_METADATA = _object(
    "kubernetes.NamespaceMetadata",
    name=STRING,
    generateName=STRING,
    namespace=STRING,
    labels=map_of(STRING, STRING),
    annotations=map_of(STRING, STRING),
    UID=STRING,
    creationTimestamp=TIMESTAMP,
    deletionGracePeriodSeconds=INT,
    deletionTimestamp=TIMESTAMP,
    generation=INT,
    resourceVersion=STRING,
    finalizers=list_of(STRING),
)
_NAMESPACE = _object(
    "kubernetes.Namespace",
    metadata=_METADATA,
    spec=_object("kubernetes.NamespaceSpec", finalizers=list_of(STRING)),
    status=_object("kubernetes.NamespaceStatus", phase=STRING),
)
REQUEST_RESOURCE = "authorizer.requestResource"


@lru_cache(maxsize=2)
def _plain(has_params: bool) -> Environment:
    return _environment(has_params, {})


def _environment(has_params: bool, variables: Mapping[str, Type]) -> Environment:
    declared = {
        "object": DYN,
        "oldObject": DYN,
        "request": _REQUEST,
        "namespaceObject": _NAMESPACE,
        "authorizer": AUTHORIZER,
        REQUEST_RESOURCE: RESOURCE_CHECK,
    }
    if has_params:
        declared["params"] = DYN
    declared |= variables
    return Environment(declared, functions=OVERLOADS, names=NAMES)


def environment(*, has_params: bool, variables: Mapping[str, Type] | None = None) -> Environment:
    """`variables`: of a policy, by their full names ("variables.x"); or better types for those that all have."""
    return _environment(has_params, variables) if variables else _plain(has_params)


def activation(attributes: Attributes, context: Context, *, params: Json | None = None) -> dict[str, Any]:
    """The values. The caller's own; nothing in it is changed by an evaluation."""
    context.on_loop()
    authorizer = ExpressionAuthorizer(attributes.user, context.authorize)
    resource = attributes.resource
    return {
        "object": attributes.object,
        "oldObject": attributes.old,
        "request": _request(attributes),
        "namespaceObject": _namespace(context, attributes),
        "authorizer": authorizer,
        REQUEST_RESOURCE: ResourceCheck(
            authorizer,
            group=resource.group,
            resource=resource.plural,
            subresource=attributes.subresource,
            namespace=attributes.namespace,
            name=attributes.name,
        ),
        "params": params,
    }


def _request(attributes: Attributes) -> Json:
    user = attributes.user
    info: Json = {"username": user.name, "groups": list(user.groups)}
    if user.uid:
        info["uid"] = user.uid
    if user.extra:
        info["extra"] = {key: list(values) for key, values in user.extra.items()}
    request: Json = {
        "kind": kind_of(attributes.kind),
        "resource": resource_of(attributes.resource),
        "requestKind": kind_of(attributes.kind),
        "requestResource": resource_of(attributes.resource),
        "operation": attributes.operation,
        "userInfo": info,
        "dryRun": attributes.dry_run,
        "options": attributes.options,
    }
    named = {
        "subResource": attributes.subresource,
        "requestSubResource": attributes.subresource,
        "name": attributes.name,
        "namespace": attributes.namespace,
    }
    return {**request, **{key: value for key, value in named.items() if value}}


def _namespace(context: Context, attributes: Attributes) -> Json | None:
    """What expressions may see of the namespace: no managedFields and no owners."""
    if not attributes.namespace or attributes.resource.plural == "namespaces":
        return None
    found = context.namespace(attributes.namespace)
    if found is None:
        return None
    shown = {field: value for field, value in found["metadata"].items() if field in _METADATA.fields}
    if "uid" in found["metadata"]:
        shown["UID"] = found["metadata"]["uid"]
    return {"metadata": shown, "spec": found.get("spec") or {}, "status": found.get("status") or {}}
