"""Mirror pods: how the API shows this node's static pods. Run by the kubelet.

The node speaks only MQTT, so it asks the master, which makes and removes them as this node (NodeRestriction holds). What the
API has comes back as an order like any pod's: that is how one sees whether the wish was met. Level-triggered; a wish is said
again, ever more seldom, until it shows.

It is also the Reporter that the pod workers are given: what they say of a static pod is said of its mirror.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from lightkube.models.core_v1 import Pod

from agent.desired import DesiredState
from agent.kubelet.critical import is_static
from agent.kubelet.labels import identity
from agent.kubelet.pods import deletion_time
from agent.kubelet.static_pods.manifest import HASH, MIRROR
from agent.reporter import NodeReporter

log = logging.getLogger(__name__)

Json = dict[str, Any]
Key = tuple[str, str]

#: Seconds between two times that one wish is said, doubling from the first to the second.
_AGAIN_FIRST, _AGAIN_LAST = 2.0, 60.0
#: Events of one static pod that wait for its mirror.
_MAX_EVENTS = 32


def is_mirror(pod: Pod) -> bool:
    return MIRROR in _annotations(pod)


@dataclass(slots=True)
class _Wish:
    """What was asked for last of one name. `again`: when it is asked for anew, on the loop's clock."""

    what: tuple[str, str]
    pause: float
    again: float


class Mirrors:
    """statics: the static pods by uid. ready: whether they are known, so that another mirror is a leftover."""

    def __init__(
        self,
        *,
        node: str,
        desired: DesiredState,
        reporter: NodeReporter,
        statics: Callable[[], Mapping[str, Pod]],
        ready: Callable[[], bool],
    ) -> None:
        self._node = node
        self._desired = desired
        self._reporter = reporter
        self._statics = statics
        self._ready = ready
        self._wishes: dict[Key, _Wish] = {}
        self._statuses: dict[str, Json] = {}
        self._told: dict[str, tuple[str, Json]] = {}
        self._events: dict[str, deque[tuple[str, str, str, str]]] = {}
        self._changed = asyncio.Event()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow(), name="mirror pods' orders")
            while True:
                self._changed.clear()
                wait = self.reconcile(asyncio.get_running_loop().time())
                try:
                    async with asyncio.timeout(wait):
                        await self._changed.wait()
                except TimeoutError:
                    continue

    async def _follow(self) -> None:
        subscription = self._desired.subscribe("pods", "nodes")
        while True:
            await subscription.changes()
            if self._statics() or self._wishes or any(is_mirror(one) for one in self._desired.pods.values()):
                self._changed.set()

    def wake(self) -> None:
        """The static pods changed."""
        self._changed.set()

    def pod_of(self, uid: str) -> Pod | None:
        """The static pod that a mirror pod of the API, named by its uid, shows; None when it is no mirror's."""
        mirror = self._desired.pods.get(uid)
        return self._statics().get(_annotations(mirror).get(MIRROR, "")) if mirror is not None else None

    def reconcile(self, now: float) -> float | None:
        """Ask for what lacks; seconds until a wish is to be said again (None: there is none)."""
        mirrors = {self._key(one): one for one in self._desired.pods.values() if is_mirror(one)}
        statics = {self._key(one): one for one in self._statics().values()}
        for key, pod in statics.items():
            mirror = mirrors.get(key)
            if mirror is None:
                owner = self._owner()
                if owner is not None:
                    self._wish(key, ("make", identity(pod).uid), now, manifest=mirror_of(pod, owner))
            elif not _shows(mirror, pod) or deletion_time(mirror) is not None:
                self._wish(key, ("remove", identity(mirror).uid), now)
            else:
                self._wishes.pop(key, None)
                self._tell(identity(pod).uid, mirror)
        for key, mirror in mirrors.items():
            if key not in statics and self._ready():
                self._wish(key, ("remove", identity(mirror).uid), now)
        for key in self._wishes.keys() - statics.keys() - mirrors.keys():
            del self._wishes[key]
        return min((max(0.05, wish.again - now) for wish in self._wishes.values()), default=None)

    # As the workers' Reporter

    def pod_status(self, pod: Pod, status: Json, *, terminated: bool = False) -> None:
        if not is_static(pod):
            self._reporter.pod_status(pod, status, terminated=terminated)
            return
        uid = identity(pod).uid
        if terminated:
            for known in (self._statuses, self._told, self._events):
                known.pop(uid, None)
            return
        self._statuses[uid] = status
        mirror = self._mirror(pod)
        if mirror is not None:
            self._tell(uid, mirror)

    def node_status(self, status: Json) -> None:
        self._reporter.node_status(status)

    def event(self, pod: Pod | None, type_: str, reason: str, message: str, *, field_path: str = "") -> None:
        if pod is not None and is_static(pod) and self._mirror(pod) is None:
            # The master takes events of pods that it knows.
            uid = identity(pod).uid
            if uid in self._statics():
                self._events.setdefault(uid, deque(maxlen=_MAX_EVENTS)).append((type_, reason, message, field_path))
            return
        self._reporter.event(pod, type_, reason, message, field_path=field_path)

    def _wish(self, key: Key, what: tuple[str, str], now: float, *, manifest: Json | None = None) -> None:
        wish = self._wishes.get(key)
        if wish is not None and wish.what == what and now < wish.again:
            return
        pause = min(wish.pause * 2, _AGAIN_LAST) if wish is not None and wish.what == what else _AGAIN_FIRST
        self._wishes[key] = _Wish(what, pause, now + pause)
        log.debug("asking for a mirror pod", extra={"what": what[0], "pod": "/".join(key)})
        self._reporter.mirror_pod(*key, manifest=manifest, uid="" if manifest is not None else what[1])

    def _tell(self, uid: str, mirror: Pod) -> None:
        """Say of a mirror what is known of its static pod, once."""
        status = self._statuses.get(uid)
        if status is not None and self._told.get(uid) != (identity(mirror).uid, status):
            self._told[uid] = (identity(mirror).uid, status)
            self._reporter.pod_status(mirror, status)
        pod = self._statics().get(uid)
        for type_, reason, message, field_path in self._events.pop(uid, ()):
            self._reporter.event(pod, type_, reason, message, field_path=field_path)

    def _mirror(self, pod: Pod) -> Pod | None:
        return next(
            (one for one in self._desired.pods.values() if self._key(one) == self._key(pod) and _shows(one, pod)), None
        )

    def _owner(self) -> Json | None:
        """This Node as the owner of its mirrors; None while its uid is not known."""
        node = self._desired.nodes.get(self._node)
        uid = node.metadata.uid if node is not None and node.metadata is not None else None
        return {"apiVersion": "v1", "kind": "Node", "name": self._node, "uid": uid, "controller": True} if uid else None

    @staticmethod
    def _key(pod: Pod) -> Key:
        who = identity(pod)
        return (who.namespace, who.name)


def mirror_of(pod: Pod, owner: Json) -> Json:
    """What the API is asked to show of a static pod."""
    value: Json = msgspec.to_builtins(pod)
    metadata = value["metadata"]
    annotations = metadata["annotations"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "labels": metadata.get("labels") or {},
            "annotations": {**annotations, MIRROR: annotations[HASH]},
            "ownerReferences": [owner],
        },
        "spec": value["spec"],
    }


def _shows(mirror: Pod, pod: Pod) -> bool:
    return _annotations(mirror).get(MIRROR) == _annotations(pod).get(HASH)


def _annotations(pod: Pod) -> Mapping[str, str]:
    return (pod.metadata.annotations if pod.metadata is not None else None) or {}
