"""The same object in other versions and groups: which there are, and how one looks there. For matchPolicy Equivalent."""

from collections.abc import Callable, Iterable, Sequence

from master.api.admission.dynamic.attributes import Attributes, GroupVersionKind
from master.api.kinds.kind import Kind
from master.client.protocol import Json, ResourceRef


class EquivalentKinds:
    """`kinds`: all that are served, also those made at run time."""

    def __init__(self, kinds: Iterable[Kind], find: Callable[[ResourceRef], Kind | None]) -> None:
        self._kinds = kinds
        self._find = find

    def of(self, resource: ResourceRef) -> Sequence[ResourceRef]:
        kind = self._find(resource)
        if kind is None:
            return ()
        place = (kind.storage.group, kind.storage.plural)
        return [other.resource for other in self._kinds if (other.storage.group, other.storage.plural) == place]

    def kind_for(self, attributes: Attributes, resource: ResourceRef) -> GroupVersionKind:
        """What an operation's object is in the version of an equivalent resource."""
        found = self._find(resource)
        if resource == attributes.resource or found is None or attributes.kind.kind != found.kind:
            return attributes.kind  # a Scale is one in every version of its parent
        return GroupVersionKind(found.group, found.version, found.kind)

    async def converted(self, attributes: Attributes, resource: ResourceRef, obj: Json | None) -> Json | None:
        """An object of the operation in the version of an equivalent resource. Raises StatusError."""
        own, other = self._find(attributes.resource), self._find(resource)
        if obj is None or resource == attributes.resource or own is None or other is None or own.kind != attributes.kind.kind:
            return obj
        return await convert(obj, own, other)

    async def back(self, attributes: Attributes, resource: ResourceRef, obj: Json) -> Json:
        """An object in the version of an equivalent resource in the operation's own. Raises StatusError."""
        own, other = self._find(attributes.resource), self._find(resource)
        if resource == attributes.resource or own is None or other is None or own.kind != attributes.kind.kind:
            return obj
        return await convert(obj, other, own)


async def convert(obj: Json, own: Kind, other: Kind) -> Json:
    """An object of one kind as another that holds the same objects. Raises StatusError."""
    if other.conversion is not None:
        return await other.conversion.in_version(obj)
    return other.from_stored(own.to_stored(obj))
