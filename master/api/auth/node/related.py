"""Which objects belong to a node: its pods, and what they refer to, as the watch cache has them.

Nothing is kept between requests: agents do not come here, so that a graph of all pods would be work for nobody. Of the pods of
one namespace only those are decoded whose bytes name both the node and what is asked for.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

from master.api.auth.node.references import (
    claims_of,
    config_maps_of,
    is_mirror,
    secrets_of,
    service_account_of,
    volume_secrets,
)
from master.client.protocol import Json
from master.store.cached import CachedObject

_PODS = "/registry/core/pods/"
_VOLUMES = "/registry/core/persistentvolumes/"
_ATTACHMENTS = "/registry/storage.k8s.io/volumeattachments/"


class CachedObjects(Protocol):
    """What is read of the watch cache."""

    def get(self, key: str) -> CachedObject | None: ...

    def list(self, prefix: str) -> tuple[Sequence[CachedObject], int]: ...


class RelatedObjects:
    """Asked by the node authoriser. Every answer is as of now."""

    def __init__(self, cache: CachedObjects) -> None:
        self._cache = cache

    def pod(self, node: str, namespace: str, name: str) -> bool:
        cached = self._cache.get(f"{_PODS}{namespace}/{name}") if _is_segment(namespace, name) else None
        return cached is not None and (cached.decode().get("spec") or {}).get("nodeName") == node

    def secret(self, node: str, namespace: str, name: str) -> bool:
        if any(name in secrets_of(pod) for pod in self._pods(node, namespace, name)):
            return True
        for cached in self._cache.list(_VOLUMES)[0]:
            if name.encode() not in cached.raw:
                continue
            volume = cached.decode()
            if (namespace, name) in volume_secrets(volume) and self._claimed(node, volume):
                return True
        return False

    def config_map(self, node: str, namespace: str, name: str) -> bool:
        return any(name in config_maps_of(pod) for pod in self._pods(node, namespace, name))

    def claim(self, node: str, namespace: str, name: str) -> bool:
        # The name of a claim that is made for a pod is not in the pod.
        return any(name in claims_of(pod) for pod in self._pods(node, namespace, ""))

    def service_account(self, node: str, namespace: str, name: str) -> bool:
        return any(name == service_account_of(pod) for pod in self._pods(node, namespace, name))

    def volume(self, node: str, name: str) -> bool:
        cached = self._cache.get(f"{_VOLUMES}-/{name}") if _is_segment(name) else None
        return cached is not None and self._claimed(node, cached.decode())

    def attachment(self, node: str, name: str) -> bool:
        cached = self._cache.get(f"{_ATTACHMENTS}-/{name}") if _is_segment(name) else None
        return cached is not None and (cached.decode().get("spec") or {}).get("nodeName") == node

    def _claimed(self, node: str, volume: Json) -> bool:
        """Whether a pod of the node uses the claim that a volume belongs to."""
        claim = (volume.get("spec") or {}).get("claimRef") or {}
        namespace, name = claim.get("namespace") or "", claim.get("name") or ""
        return bool(namespace and name) and self.claim(node, namespace, name)

    def _pods(self, node: str, namespace: str, mentions: str) -> Iterator[Json]:
        """The node's pods of a namespace, except mirrors, whose bytes have this text."""
        if not _is_segment(namespace):
            return
        on_node, mentioned = node.encode(), mentions.encode()
        for cached in self._cache.list(f"{_PODS}{namespace}/")[0]:
            if on_node in cached.raw and mentioned in cached.raw:
                pod = cached.decode()
                if (pod.get("spec") or {}).get("nodeName") == node and not is_mirror(pod):
                    yield pod


def _is_segment(*names: str) -> bool:
    """Whether names of a request can be those of a stored object."""
    return all(name and "/" not in name for name in names)
