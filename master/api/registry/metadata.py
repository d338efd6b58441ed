"""Metadata that belongs to the registry: names that are generated, uid, times, and what an update may not change.

Called by the verbs before a kind's own hooks. What is wrong with metadata is said by the kind's validation.
"""

import random
import time
from datetime import UTC, datetime
from functools import lru_cache

from master.api.kinds.kind import Kind
from master.client.errors import StatusError, bad_request
from master.client.protocol import Json
from proto.k8s.time import format_time

#: Kubernetes' alphabet for suffixes: no vowels and no look-alikes, so that they spell nothing.
_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX_LENGTH = 5
_LONGEST_PREFIX = 63 - _SUFFIX_LENGTH

#: Set by the server, kept through every update whatever the client sends.
_KEPT = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation")
_DROPPED = ("selfLink", "managedFields")


def timestamp(at: datetime | None = None) -> str:
    """A time as metav1.Time shows it; now when none is given."""
    return format_time(at) if at is not None else _second(int(time.time()))


@lru_cache(maxsize=2)
def _second(since_epoch: int) -> str:
    """Each write asks for it: once per second is enough."""
    return format_time(datetime.fromtimestamp(since_epoch, UTC))


def random_uuid() -> str:
    """A UUID of version 4 for what is nobody's secret: without the system call that uuid4 makes for each."""
    text = f"{random.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{'89ab'[int(text[16], 16) & 3]}{text[17:20]}-{text[20:]}"


def generated_name(prefix: str) -> str:
    return prefix[:_LONGEST_PREFIX] + "".join(random.choices(_SUFFIX, k=_SUFFIX_LENGTH))


def begin_life(kind: Kind, namespace: str, obj: Json) -> None:
    """The metadata of a new object: name, namespace, uid, creationTimestamp; nothing that only the server sets."""
    metadata = obj.setdefault("metadata", {})
    check_namespace(kind, namespace, metadata)
    if kind.namespaced:
        metadata["namespace"] = namespace
    if metadata.get("resourceVersion"):
        raise bad_request("resourceVersion should not be set on objects to be created")
    metadata.pop("resourceVersion", None)
    for name in (*_KEPT, *_DROPPED):
        metadata.pop(name, None)
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = generated_name(metadata["generateName"])
    metadata["uid"] = random_uuid()
    metadata["creationTimestamp"] = timestamp()
    obj["apiVersion"] = kind.api_version
    obj["kind"] = kind.kind


def carry_over(kind: Kind, obj: Json, old: Json) -> None:
    """The metadata of an update keeps what only the server sets."""
    metadata = obj.setdefault("metadata", {})
    was = old["metadata"]
    metadata["name"] = was["name"]
    if kind.namespaced:
        metadata["namespace"] = was["namespace"]
    for name in _DROPPED:
        metadata.pop(name, None)
    for name in _KEPT:
        if name in was:
            metadata[name] = was[name]
        else:
            metadata.pop(name, None)
    metadata["resourceVersion"] = was["resourceVersion"]
    if was.get("generateName"):
        metadata.setdefault("generateName", was["generateName"])
    obj["apiVersion"] = kind.api_version
    obj["kind"] = kind.kind


def check_namespace(kind: Kind, namespace: str, metadata: Json) -> None:
    """Raises StatusError 400 when the body names another namespace than the request."""
    named = metadata.get("namespace") or ""
    if kind.namespaced and named and named != namespace:
        raise bad_request(
            f"the namespace of the provided object does not match the namespace sent on the request ({named} != {namespace})"
        )


def check_name(name: str, metadata: Json) -> None:
    """Raises StatusError 400 when the body has another name than the request."""
    named = metadata.get("name") or ""
    if not named:
        raise bad_request("name must be provided")
    if named != name:
        raise bad_request(f"the name of the object ({named}) does not match the name on the URL ({name})")


def next_generation(obj: Json) -> None:
    """A deletion that begins counts as a change of what is desired."""
    generation = obj["metadata"].get("generation")
    if generation:
        obj["metadata"]["generation"] = generation + 1


def precondition_failed(kind: Kind, name: str, why: str) -> StatusError:
    qualified = f"{kind.plural}.{kind.group}" if kind.group else kind.plural
    details = {"name": name, "group": kind.group, "kind": kind.plural}
    return StatusError(
        409,
        "Conflict",
        f'Operation cannot be fulfilled on {qualified} "{name}": Precondition failed: {why}',
        details={key: value for key, value in details.items() if value},
    )


def check_preconditions(kind: Kind, obj: Json, *, uid: str | None, resource_version: str | None) -> None:
    """Raises StatusError 409 when the object is another one than the client means."""
    metadata = obj["metadata"]
    if uid and uid != metadata["uid"]:
        why = f"UID in precondition: {uid}, UID in object meta: {metadata['uid']}"
        raise precondition_failed(kind, metadata["name"], why)
    if resource_version and resource_version != metadata["resourceVersion"]:
        why = f"ResourceVersion in precondition: {resource_version}, "
        why += f"ResourceVersion in object meta: {metadata['resourceVersion']}"
        raise precondition_failed(kind, metadata["name"], why)
