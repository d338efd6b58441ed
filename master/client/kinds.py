"""What a typed client knows of a kind: where it lives in the API, and how it is decoded."""

from functools import lru_cache

import msgspec
from lightkube.core.resource import ApiInfo, GlobalResource, NamespacedResource, Resource, ResourceDef, api_info
from lightkube.models.meta_v1 import ObjectMeta

from master.client.protocol import R, ResourceRef

# One entry for each kind that the program uses: building either takes longer than using it.
_refs: dict[type[Resource], ResourceRef] = {}
_decoders: dict[type[Resource], "msgspec.json.Decoder[Resource]"] = {}


def resource_ref(kind: type[Resource]) -> ResourceRef:
    """The collection of a top-level kind."""
    ref = _refs.get(kind)
    if ref is None:
        info = api_info(kind)
        ref = _refs[kind] = ResourceRef(group=info.resource.group, version=info.resource.version, plural=info.plural)
    return ref


def namespaced(kind: type[Resource]) -> bool:
    return not issubclass(kind, GlobalResource)


class _NamespacedMetadata(msgspec.Struct, NamespacedResource):
    """What controllers need of an object of any kind."""

    apiVersion: str | None = None
    kind: str | None = None
    metadata: ObjectMeta | None = None


class _GlobalMetadata(msgspec.Struct, GlobalResource):
    """What controllers need of a cluster-scoped object of any kind."""

    apiVersion: str | None = None
    kind: str | None = None
    metadata: ObjectMeta | None = None


@lru_cache(maxsize=1024)
def metadata_type(resource: ResourceRef, kind: str, *, is_namespaced: bool) -> type[Resource]:
    """A type for objects of a kind that has none, a custom resource: their metadata only. The same for the same kind."""
    base: type[msgspec.Struct] = _NamespacedMetadata if is_namespaced else _GlobalMetadata
    info = ApiInfo(ResourceDef(resource.group, resource.version, kind), resource.plural, verbs=[])
    made = msgspec.defstruct(kind, [], bases=(base,), module=__name__, namespace={"_api_info": info})
    assert issubclass(made, Resource)
    return made


class _Meta(msgspec.Struct):
    managedFields: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Object(msgspec.Struct):
    metadata: _Meta | None = None


_managed = msgspec.json.Decoder(_Object)
_KEY = b'"managedFields":'


def decode(kind: type[R], encoded: bytes) -> R:
    """An object of the API, typed, without its managedFields. Raises msgspec.ValidationError when it does not fit its type.

    Nothing in process asks who owns a field, and the sets would be most of an informer's memory; the API keeps them through an
    update that has none.
    """
    if _KEY in encoded:
        encoded = _without_managed_fields(encoded)
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind)
    decoded = decoder.decode(encoded)
    assert isinstance(decoded, kind)
    return decoded


def _without_managed_fields(encoded: bytes) -> bytes:
    metadata = _managed.decode(encoded).metadata
    if metadata is None or isinstance(metadata.managedFields, msgspec.UnsetType):
        return encoded
    # As it stands in the object: the API writes no white space between a key and its value.
    entry = _KEY + bytes(metadata.managedFields)
    for found in (b"," + entry, entry + b",", entry):
        if found in encoded:
            return encoded.replace(found, b"", 1)
    return encoded
