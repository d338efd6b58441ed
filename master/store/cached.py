"""CachedObject and CacheEvent: what the watch cache hands out, each encoded once for all its readers."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from master.store.protocol import Corrupt, KeyValue, StoreEvent

_NO_LABELS: Mapping[str, str] = {}


class _Meta(msgspec.Struct):
    name: str = ""
    namespace: str = ""
    labels: dict[str, str] | None = None


_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_meta = msgspec.json.Decoder(_Meta)


class CachedObject(msgspec.Struct, frozen=True, gc=False):
    """An object as of `revision`. `raw` is its JSON with metadata.resourceVersion in it; `labels` must not be changed."""

    key: str
    revision: int
    raw: bytes
    namespace: str
    name: str
    labels: Mapping[str, str]

    def decode(self) -> dict[str, Any]:
        """A new dict, the caller's own; not kept, so that the cache stays as small as the bytes."""
        content: dict[str, Any] = msgspec.json.decode(self.raw)
        return content


class CacheEvent(msgspec.Struct, frozen=True, gc=False):
    """One change. `object` of a DELETED event is the last state, at the revision of the deletion.

    `previous` is None for ADDED; selectors need it to tell that an object left what they select.
    """

    type: Literal["ADDED", "MODIFIED", "DELETED"]
    object: CachedObject
    previous: CachedObject | None
    revision: int


def _spliced(key: str, value: bytes, revision: int) -> tuple[bytes, _Meta]:
    try:
        fields = _fields.decode(value)
        metadata = bytes(fields["metadata"])
        meta = _meta.decode(metadata)
    except (msgspec.DecodeError, KeyError) as error:
        raise Corrupt(f"{key} at revision {revision} is no JSON object with metadata: {error}") from error
    # A JSON object with fields has a quote after its brace: anything else here is the empty object.
    rest = metadata[1:].lstrip()
    separator = b"" if rest.startswith(b"}") else b","
    fields["metadata"] = msgspec.Raw(b'{"resourceVersion":"%d"%s%s' % (revision, separator, rest))
    return msgspec.json.encode(fields), meta


def cached(kv: KeyValue, revision: int | None = None) -> CachedObject:
    """The cached form of a stored key; `revision` instead of its own for the state that a deletion ended.

    Raises Corrupt when the value is no object.
    """
    revision = kv.mod_revision if revision is None else revision
    raw, meta = _spliced(kv.key, kv.value, revision)
    return CachedObject(
        key=kv.key,
        revision=revision,
        raw=raw,
        namespace=meta.namespace,
        name=meta.name,
        labels=meta.labels or _NO_LABELS,
    )


def cache_event(event: StoreEvent, previous: CachedObject | None) -> CacheEvent:
    """A store's event in cached form. `previous`: the key's cached form, when the caller has it already."""
    if previous is None and event.previous is not None:
        previous = cached(event.previous)
    if event.current is not None:
        return CacheEvent(
            type="MODIFIED" if previous else "ADDED", object=cached(event.current), previous=previous, revision=event.revision
        )
    assert event.previous is not None
    last = cached(event.previous, event.revision)
    return CacheEvent(type="DELETED", object=last, previous=previous, revision=event.revision)
