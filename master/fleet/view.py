"""What each reader must have, out of the informers. A reader is a node, or SHARED: what all nodes have alike.

Reads only; tells which readers a change concerns. Called by `master.fleet.publisher`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from lightkube.core.resource import Resource
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

from master.fleet.pod_tokens import PodTokens
from master.fleet.references import Reference, references
from master.informer.informer import Informer, Informers

#: The reader of what all nodes have alike. No node can be called so.
SHARED = ""
#: The node's annotation that holds its public sealing key, base64.
SEALING_KEY_ANNOTATION = "wherry.io/sealing-key"

_BY_NODE = "fleet/node"
_BY_REFERENCE = "fleet/reference"
_BY_VOLUME = "fleet/volume"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One object that a reader must have. `version` is its resourceVersion; another content has a higher one.

    `load` gives the object: pods' tokens are only made when they are sent.
    """

    resource: str
    namespace: str
    name: str
    uid: str
    version: int
    load: Callable[[], Resource]

    @property
    def topic_name(self) -> str:
        """The name in its topic: a pod's is its uid."""
        return self.uid if self.resource == "pods" else self.name


class FleetView:
    """The informers that the fleet reads. Make it before they run, so that they fill together."""

    def __init__(self, informers: Informers, tokens: PodTokens) -> None:
        self._tokens = tokens
        self._pods = informers.of(Pod)
        self._nodes = informers.of(Node)
        self._config_maps = informers.of(ConfigMap)
        self._secrets = informers.of(Secret)
        self._claims = informers.of(PersistentVolumeClaim)
        self._volumes = informers.of(PersistentVolume)
        self._runtime_classes = informers.of(RuntimeClass)
        self._services = informers.of(Service)
        self._slices = informers.of(EndpointSlice)
        self._pods.add_index(_BY_NODE, _node_of)
        self._pods.add_index(_BY_REFERENCE, _references_of)
        self._claims.add_index(_BY_VOLUME, _volume_of)

    async def synced(self) -> None:
        """Wait until everything is known: before that, what is absent means nothing."""
        for informer in self._all():
            await informer.synced()
        await self._tokens.synced()

    def node(self, name: str) -> Node | None:
        return self._nodes.get("", name)

    def pod(self, namespace: str, name: str) -> Pod | None:
        return self._pods.get(namespace, name)

    def pods_of(self, node: str) -> list[Pod]:
        return list(self._pods.by_index(_BY_NODE, node))

    def readers(self) -> set[str]:
        """SHARED, every node, and every name that a pod is bound to."""
        bound = {pod.spec.nodeName for pod in self._pods.list() if pod.spec and pod.spec.nodeName}
        return {SHARED, *bound, *(_name(node) for node in self._nodes.list())}

    def wanted(self, reader: str) -> Iterator[Wanted]:
        """All that the reader must have, secrets included whether or not they can be sealed."""
        if reader == SHARED:
            for service in self._services.list():
                yield _wanted("services", service)
            for piece in self._slices.list():
                yield _wanted("endpointslices", piece)
            for node in self._nodes.list():
                yield _wanted("nodes", node)
            return
        # What a pod needs goes before it: then it is there when the pod starts.
        pods = self.pods_of(reader)
        needed: set[Reference] = set()
        for pod in pods:
            needed |= references(pod)
        volumes: set[str] = set()
        for reference in sorted(needed, key=str):
            found = self._referenced[reference.resource].get(reference.namespace, reference.name)
            if found is not None:
                yield _wanted(reference.resource, found)
                if reference.resource == "persistentvolumeclaims":
                    volumes.update(_volume_of(found))
        # One by name: two claims may say that they have the same.
        for name in sorted(volumes):
            volume = self._volumes.get("", name)
            if volume is not None:
                yield _wanted("persistentvolumes", volume)
        for pod in pods:
            tokens = self._tokens.of(pod)
            if tokens is not None and pod.metadata is not None:
                uid = pod.metadata.uid or ""
                yield Wanted("secrets", "", uid, uid, tokens.version, tokens.load)
        for pod in pods:
            yield _wanted("pods", pod)

    def due(self, reader: str) -> float | None:
        """Seconds until the reader's pods need other tokens; None when they need none."""
        left = [due for pod in self.pods_of(reader) if (due := self._tokens.due(pod)) is not None]
        return min(left, default=None)

    def on_node(self, handler: Callable[[Node | None, Node | None], None]) -> None:
        """`handler` is called with each node's old and new object."""
        self._nodes.add_handler(handler)

    def on_change(self, mark: Callable[[str], None]) -> None:
        """`mark` is called with each reader that a change may concern, for what is there already too."""

        def pod(old: Pod | None, new: Pod | None) -> None:
            for node in {*_node_of_any(old), *_node_of_any(new)}:
                mark(node)

        def node(old: Node | None, new: Node | None) -> None:
            mark(SHARED)
            for one in (old, new):
                if one is not None:
                    mark(_name(one))

        def referenced(resource: str) -> Callable[[Resource | None, Resource | None], None]:
            def changed(old: Resource | None, new: Resource | None) -> None:
                metadata = cast(Any, new or old).metadata
                key = f"{resource}/{metadata.namespace or ''}/{metadata.name}"
                for user in self._pods.by_index(_BY_REFERENCE, key):
                    for name in _node_of(user):
                        mark(name)

            return changed

        def volume(old: PersistentVolume | None, new: PersistentVolume | None) -> None:
            metadata = cast(Any, new or old).metadata
            for claim in self._claims.by_index(_BY_VOLUME, metadata.name):
                claim_changed(claim, claim)

        def shared(old: Resource | None, new: Resource | None) -> None:
            mark(SHARED)

        claim_changed = referenced("persistentvolumeclaims")
        self._pods.add_handler(pod)
        self._nodes.add_handler(node)
        self._config_maps.add_handler(referenced("configmaps"))
        self._secrets.add_handler(referenced("secrets"))
        self._claims.add_handler(claim_changed)
        self._runtime_classes.add_handler(referenced("runtimeclasses"))
        self._volumes.add_handler(volume)
        self._services.add_handler(shared)
        self._tokens.on_change(mark)
        self._slices.add_handler(shared)

    def _all(self) -> tuple[Informer[Any], ...]:
        return (self._pods, self._nodes, *self._referenced.values(), self._volumes, self._services, self._slices)

    @property
    def _referenced(self) -> dict[str, Informer[Any]]:
        """What pods refer to by name, by plural."""
        return {
            "configmaps": self._config_maps,
            "secrets": self._secrets,
            "persistentvolumeclaims": self._claims,
            "runtimeclasses": self._runtime_classes,
        }


def _wanted(resource: str, obj: Resource) -> Wanted:
    metadata = cast(Any, obj).metadata
    return Wanted(
        resource, metadata.namespace or "", metadata.name, metadata.uid or "", int(metadata.resourceVersion or 0), lambda: obj
    )


def _name(node: Node) -> str:
    return (node.metadata.name or "") if node.metadata else ""


def _node_of(pod: Pod) -> tuple[str, ...]:
    return (pod.spec.nodeName,) if pod.spec and pod.spec.nodeName else ()


def _node_of_any(pod: Pod | None) -> tuple[str, ...]:
    return _node_of(pod) if pod is not None else ()


def _volume_of(claim: PersistentVolumeClaim) -> tuple[str, ...]:
    return (claim.spec.volumeName,) if claim.spec and claim.spec.volumeName else ()


def _references_of(pod: Pod) -> list[str]:
    return [str(reference) for reference in references(pod)] if _node_of(pod) else []
