"""What a typed client knows of a kind: where it lives in the API, and how it is decoded."""

import msgspec
from lightkube.core.resource import GlobalResource, Resource, api_info

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


def decode(kind: type[R], encoded: bytes) -> R:
    """An object of the API, typed. Raises msgspec.ValidationError when it does not fit its type."""
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind)
    decoded = decoder.decode(encoded)
    assert isinstance(decoded, kind)
    return decoded
