"""All pods of this node: one supervised worker each, kept in step with what is desired. Made and run by the kubelet.

Desired are the API's pods as the master ordered them (mirrors of static pods excepted) and the static pods of this node.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Set
from typing import Any

import msgspec
from lightkube.models.core_v1 import Pod

from agent.desired import Change, DesiredState
from agent.kubelet.critical import is_static
from agent.kubelet.labels import identity
from agent.kubelet.pod.termination import Termination
from agent.kubelet.pod.volumes import uses_claims
from agent.kubelet.pod.worker import PodWorker
from agent.kubelet.services import PodServices
from agent.kubelet.static_pods.mirrors import is_mirror

log = logging.getLogger(__name__)

Json = dict[str, Any]

#: Seconds beyond its grace after which a pod that is being ended is not waited for any more.
_TERMINATION_SLACK = 15.0


class PodWorkers:
    """statics: this node's static pods by uid, as they are now."""

    def __init__(self, *, desired: DesiredState, statics: Callable[[], Mapping[str, Pod]]) -> None:
        self._desired = desired
        self._statics = statics
        self._workers: dict[str, PodWorker] = {}
        self._services: PodServices
        self._group: asyncio.TaskGroup

    async def run(self, services: PodServices) -> None:
        """Until cancelled, which touches no container."""
        self._services = services
        async with asyncio.TaskGroup() as group:
            self._group = group
            subscription = self._desired.subscribe(
                "pods", "configmaps", "secrets", "persistentvolumeclaims", "persistentvolumes"
            )
            for uid in list(self._desired.pods):
                self.changed(uid)
            while True:
                for change in await subscription.changes():
                    self._follow(change)

    def changed(self, uid: str) -> None:
        """What is desired under this uid may have changed."""
        pod, worker = self._wanted(uid), self._workers.get(uid)
        if worker is not None:
            if pod is None:
                worker.remove()
            else:
                worker.update(pod)
        elif pod is not None and not self._name_taken(pod):
            # One that has been reported terminated already is so again at once: the master has not heard it.
            worker = self._workers[uid] = PodWorker(self._services, pod)
            self._group.create_task(self._supervise(worker), name=f"pod {identity(pod)}")

    def wake(self, uid: str) -> None:
        """The containers of this pod have changed; without a uid everyone's may have."""
        for worker in self._workers.values() if not uid else filter(None, (self._workers.get(uid),)):
            worker.wake()

    def uids(self) -> Set[str]:
        """Of all pods that have anything to do here, those that are being ended among them."""
        return self._workers.keys()

    def pod(self, uid: str) -> Pod | None:
        worker = self._workers.get(uid)
        return worker.pod if worker is not None else None

    def status(self, uid: str) -> Json | None:
        worker = self._workers.get(uid)
        return worker.status if worker is not None else None

    def pods(self) -> list[Pod]:
        return [worker.pod for worker in self._workers.values()]

    def active(self) -> list[Pod]:
        """Those that neither have ended nor are being ended."""
        return [worker.pod for worker in self._workers.values() if worker.active]

    def pod_list(self) -> Json:
        """A v1 PodList with the pods' present status, as kubelet's /pods."""
        items = []
        for worker in self._workers.values():
            pod: Json = msgspec.to_builtins(worker.pod)
            items.append(pod | {"status": worker.status or pod.get("status", {})})
        return {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}

    async def terminate(self, pod: Pod, termination: Termination) -> None:
        """End a pod for good; returns when it has ended, or has had its time for it."""
        worker = self._workers.get(identity(pod).uid)
        if worker is None:
            return
        try:
            async with asyncio.timeout(termination.grace + _TERMINATION_SLACK):
                await worker.terminate(termination)
        except TimeoutError:
            log.warning("a pod takes long to end", extra={"pod": identity(pod), "reason": termination.reason})

    def _follow(self, change: Change) -> None:
        if change.resource == "pods":
            self.changed(change.name)
        elif change.resource == "persistentvolumes":
            for worker in self._workers.values():
                if uses_claims(worker.pod):
                    worker.objects_changed()
        elif not change.namespace:
            # A pod's own tokens are named by its uid (proto.pod_tokens).
            if (owner := self._workers.get(change.name)) is not None:
                owner.objects_changed()
        else:
            for worker in self._workers.values():
                if identity(worker.pod).namespace == change.namespace:
                    worker.objects_changed()

    def _wanted(self, uid: str) -> Pod | None:
        pod = self._statics().get(uid) or self._desired.pods.get(uid)
        return None if pod is None or is_mirror(pod) else pod

    def _name_taken(self, pod: Pod) -> bool:
        """A changed static pod is another one of the same name: it begins when the one before has ended."""
        who = identity(pod)
        others = (identity(worker.pod) for worker in self._workers.values())
        return is_static(pod) and any((one.namespace, one.name) == (who.namespace, who.name) for one in others)

    async def _supervise(self, worker: PodWorker) -> None:
        """A worker that fails is logged and run again; it cannot harm its neighbours."""
        delay = 1.0
        while True:
            try:
                await worker.run()
                break
            except Exception:
                log.exception("a pod worker failed", extra={"pod": identity(worker.pod), "retry_seconds": delay})
                await asyncio.sleep(delay)
                delay = min(delay * 2, 60.0)
        del self._workers[worker.uid]
        for uid in self._statics().keys() - self._workers.keys():
            self.changed(uid)
