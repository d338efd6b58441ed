"""The fewest writes that turn a Service's present EndpointSlices into the wanted endpoints.

Pure; called by the EndpointSlice controller. Every write of a slice goes to every node, so: an endpoint stays in the slice
that it is in; slices that change anyway are filled first; then one that has just enough room; only then a new one is made.
Source: https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#distribution-of-endpointslices
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
from lightkube.models.discovery_v1 import Endpoint
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Service
from lightkube.resources.discovery_v1 import EndpointSlice

from master.controllers.discovery.pod_endpoints import HEADLESS, Ports, is_headless
from master.controllers.objects.metadata import controller_reference, labels_of, meta, name_of, namespace_of

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
CONTROLLER = "endpointslice-controller.k8s.io"
MAX_ENDPOINTS = 100

_RESERVED = frozenset({SERVICE_NAME, MANAGED_BY, HEADLESS})

Identity = tuple[str, str]
"""A pod's uid and its address."""


@dataclass(frozen=True, slots=True)
class Group:
    """The wanted endpoints of one address type that serve the same ports."""

    address_type: str
    ports: Ports
    endpoints: list[Endpoint]


@dataclass(slots=True)
class Changes:
    """What to write. `created` have a generateName; `updated` carry the resourceVersion they were computed from."""

    created: list[EndpointSlice] = field(default_factory=list)
    updated: list[EndpointSlice] = field(default_factory=list)
    deleted: list[EndpointSlice] = field(default_factory=list)


def plan(
    service: Service, existing: Sequence[EndpointSlice], groups: Sequence[Group], address_types: Sequence[str]
) -> Changes:
    """The writes from the existing slices (those that this controller manages) to the wanted groups."""
    changes = Changes()
    wanted = {_group_key(group.address_type, group.ports): group for group in groups if group.endpoints}
    present: dict[tuple[object, ...], list[EndpointSlice]] = {}
    for slice_ in existing:
        present.setdefault(_group_key(slice_.addressType, tuple(slice_.ports or ())), []).append(slice_)
    for key, slices in present.items():
        if key not in wanted:
            changes.deleted += slices
    for key, group in wanted.items():
        _plan_group(service, present.get(key, []), group, changes)
    for address_type in address_types:
        _keep_one(service, existing, address_type, changes)
    _recycle(changes)
    return changes


def labels_for(service: Service) -> dict[str, str]:
    """The Service's labels, and those by which slices are found."""
    labels = {key: value for key, value in labels_of(service).items() if key not in _RESERVED}
    labels[SERVICE_NAME] = name_of(service)
    labels[MANAGED_BY] = CONTROLLER
    if is_headless(service):
        labels[HEADLESS] = ""
    return labels


def _group_key(address_type: str, ports: Ports) -> tuple[object, ...]:
    return (
        address_type,
        *sorted((port.name or "", port.protocol or "TCP", port.port or 0, port.appProtocol or "") for port in ports),
    )


def _identity(endpoint: Endpoint) -> Identity:
    uid = endpoint.targetRef.uid if endpoint.targetRef else None
    return uid or "", endpoint.addresses[0] if endpoint.addresses else ""


def _plan_group(service: Service, slices: Sequence[EndpointSlice], group: Group, changes: Changes) -> None:
    missing: dict[Identity, Endpoint] = {_identity(endpoint): endpoint for endpoint in group.endpoints}
    labels = labels_for(service)
    contents: list[tuple[EndpointSlice, list[Endpoint], bool]] = []
    for slice_ in slices:
        kept, changed = _still_wanted(slice_, missing)
        contents.append((slice_, kept, changed or dict(labels_of(slice_)) != labels))
    changing = [content for content in contents if content[2]]
    for _, kept, _ in changing:
        _fill(kept, missing)
    unchanged = [content for content in contents if not content[2]]
    # Whole slices are made new; the rest goes where the least room is left over.
    if missing and len(missing) < MAX_ENDPOINTS:
        fitting = [content for content in unchanged if len(content[1]) + len(missing) <= MAX_ENDPOINTS]
        if fitting:
            fullest = max(fitting, key=lambda content: len(content[1]))
            _fill(fullest[1], missing)
            changing.append(fullest)
    for slice_, kept, _ in changing:
        if kept:
            changes.updated.append(_updated(slice_, kept, labels))
        else:
            changes.deleted.append(slice_)
    while missing:
        fresh: list[Endpoint] = []
        _fill(fresh, missing)
        changes.created.append(_created(service, group.address_type, group.ports, fresh, labels))


def _still_wanted(slice_: EndpointSlice, missing: dict[Identity, Endpoint]) -> tuple[list[Endpoint], bool]:
    """The slice's endpoints as they should be now, and whether that is a change; what is found is no longer missing."""
    kept: list[Endpoint] = []
    changed = False
    for endpoint in slice_.endpoints or ():
        wanted = missing.pop(_identity(endpoint), None)
        if wanted is None:
            changed = True
        else:
            changed = changed or wanted != endpoint
            kept.append(wanted)
    return kept, changed or not kept


def _fill(endpoints: list[Endpoint], missing: dict[Identity, Endpoint]) -> None:
    while missing and len(endpoints) < MAX_ENDPOINTS:
        endpoints.append(missing.pop(next(iter(missing))))


def _recycle(changes: Changes) -> None:
    """A slice that would go takes over what a new one would hold: one write instead of two."""
    created: list[EndpointSlice] = []
    for fresh in changes.created:
        spare = next((each for each in changes.deleted if each.addressType == fresh.addressType), None)
        if spare is None:
            created.append(fresh)
        else:
            changes.deleted.remove(spare)
            metadata = msgspec.structs.replace(meta(spare), labels=meta(fresh).labels)
            changes.updated.append(
                msgspec.structs.replace(spare, metadata=metadata, endpoints=fresh.endpoints, ports=fresh.ports)
            )
    changes.created = created


def _keep_one(service: Service, existing: Sequence[EndpointSlice], address_type: str, changes: Changes) -> None:
    """A Service without endpoints has one empty slice, so that its consumers know that there is nothing."""
    if any(each.addressType == address_type for each in changes.created):
        return
    going = {name_of(each) for each in changes.deleted}
    mine = [each for each in existing if each.addressType == address_type]
    if any(name_of(each) not in going for each in mine):
        return
    labels = labels_for(service)
    if not mine:
        changes.created.append(_created(service, address_type, (), [], labels))
        return
    spared = mine[0]
    changes.deleted = [each for each in changes.deleted if name_of(each) != name_of(spared)]
    if spared.endpoints or spared.ports or dict(labels_of(spared)) != labels:
        changes.updated.append(msgspec.structs.replace(_updated(spared, [], labels), ports=[]))


def _updated(slice_: EndpointSlice, endpoints: list[Endpoint], labels: Mapping[str, str]) -> EndpointSlice:
    metadata = msgspec.structs.replace(meta(slice_), labels=dict(labels))
    return msgspec.structs.replace(slice_, metadata=metadata, endpoints=endpoints)


def _created(
    service: Service, address_type: str, ports: Ports, endpoints: list[Endpoint], labels: Mapping[str, str]
) -> EndpointSlice:
    return EndpointSlice(
        addressType=address_type,
        metadata=ObjectMeta(
            generateName=f"{name_of(service)}-",
            namespace=namespace_of(service),
            labels=dict(labels),
            ownerReferences=[controller_reference(service)],
        ),
        endpoints=endpoints,
        ports=list(ports),
    )
