"""From an order's JSON to a typed object in `DesiredState`, per resource: the one table of what a node may be ordered.

Pure. An object that does not fit its Kubernetes type is malformed as a whole: nothing half-read reaches the kubelet.
"""

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, get_args

import msgspec
from lightkube.resources.core_v1 import (
    ConfigMap,
    Node,
    PersistentVolume,
    PersistentVolumeClaim,
    Pod,
    Secret,
    Service,
)
from lightkube.resources.discovery_v1 import EndpointSlice
from lightkube.resources.node_v1 import RuntimeClass

from agent.desired import Change, DesiredState, ResourceName
from proto.envelope import MalformedMessage
from proto.messages import Json
from proto.topics import ObjectTopic

#: A typed object of any of the kinds below.
Ordered = Pod | ConfigMap | Secret | PersistentVolumeClaim | PersistentVolume | RuntimeClass | Service | EndpointSlice | Node


@dataclass(frozen=True, slots=True)
class _Kind:
    resource: ResourceName
    type: type[Ordered]
    #: Ordered for all nodes (on shared topics) rather than for one.
    shared: bool
    place: Callable[[DesiredState], MutableMapping[Any, Any]]
    key: Callable[[ObjectTopic], object]


def _by_name(topic: ObjectTopic) -> object:
    return topic.name


def _by_namespace_and_name(topic: ObjectTopic) -> object:
    return (topic.namespace, topic.name)


_KINDS: dict[str, _Kind] = {
    kind.resource: kind
    for kind in (
        _Kind("pods", Pod, False, lambda desired: desired.pods, _by_name),
        _Kind("configmaps", ConfigMap, False, lambda desired: desired.config_maps, _by_namespace_and_name),
        _Kind("secrets", Secret, False, lambda desired: desired.secrets, _by_namespace_and_name),
        _Kind("persistentvolumeclaims", PersistentVolumeClaim, False, lambda desired: desired.claims, _by_namespace_and_name),
        _Kind("persistentvolumes", PersistentVolume, False, lambda desired: desired.persistent_volumes, _by_name),
        _Kind("runtimeclasses", RuntimeClass, False, lambda desired: desired.runtime_classes, _by_name),
        _Kind("services", Service, True, lambda desired: desired.services, _by_namespace_and_name),
        _Kind("endpointslices", EndpointSlice, True, lambda desired: desired.endpoint_slices, _by_namespace_and_name),
        _Kind("nodes", Node, True, lambda desired: desired.nodes, _by_name),
    )
}
assert set(_KINDS) == set(get_args(ResourceName)) - {"node"}


_WHILE_REFERRED_TO = frozenset(("configmaps", "secrets", "persistentvolumeclaims", "persistentvolumes", "runtimeclasses"))


def check_topic(topic: ObjectTopic) -> None:
    """Raises MalformedMessage when no such object is ordered on such a topic."""
    kind = _KINDS.get(topic.resource)
    if kind is None:
        raise MalformedMessage(f"no {topic.resource!r} are ordered for nodes")
    if kind.shared is bool(topic.node):
        raise MalformedMessage(f"{topic.resource} do not belong on this topic")


def exists_or_is_gone(topic: ObjectTopic) -> bool:
    """True when an object is ordered for as long as it exists: one that an index of its time does not list is gone for good.

    The others are ordered only while a pod refers to them: an old one may be ordered anew at any time.
    """
    return topic.resource not in _WHILE_REFERRED_TO


def decode_object(topic: ObjectTopic, value: Json, uid: str) -> Ordered:
    """The typed object. Raises MalformedMessage when it is not what topic and envelope say."""
    try:
        decoded = msgspec.convert(value, _KINDS[topic.resource].type)
    except msgspec.ValidationError as error:
        raise MalformedMessage(f"{topic.resource} {topic.namespace}/{topic.name}: {error}") from error
    metadata = decoded.metadata
    if metadata is None or (metadata.uid or "") != uid:
        raise MalformedMessage(f"{topic.resource} {topic.namespace}/{topic.name}: uid differs from the envelope's")
    name = uid if topic.resource == "pods" else metadata.name
    if name != topic.name or (metadata.namespace or "") != topic.namespace:
        raise MalformedMessage(f"{topic.resource} {topic.namespace}/{topic.name}: the object is another one")
    return decoded


def put(desired: DesiredState, topic: ObjectTopic, value: Ordered) -> None:
    """Make the object desired and tell the readers."""
    kind = _KINDS[topic.resource]
    kind.place(desired)[kind.key(topic)] = value
    desired.tell(Change(kind.resource, topic.namespace, topic.name))


def remove(desired: DesiredState, topic: ObjectTopic) -> None:
    """Make the object undesired and tell the readers."""
    kind = _KINDS[topic.resource]
    kind.place(desired).pop(kind.key(topic), None)
    desired.tell(Change(kind.resource, topic.namespace, topic.name))
