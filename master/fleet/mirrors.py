"""Mirror pods: makes and removes them for the nodes whose static pods they show. Called by `master.fleet.intake`.

It acts as the node itself, so that admission (NodeRestriction, ServiceAccount) judges it as it judges a kubelet: a mirror pod
is bound to its node, owned by its Node, and refers to nothing. A node may have removed its own mirror pods alone.
https://kubernetes.io/docs/tasks/configure-pod-container/static-pod/
"""

import logging
from collections.abc import Callable

import msgspec
from lightkube.resources.core_v1 import Pod

from master.client.errors import StatusError
from master.client.protocol import Client, DeleteOptions
from master.fleet.rejections import Rejections
from proto.envelope import MalformedMessage
from proto.messages import Json, MirrorPodReport

log = logging.getLogger(__name__)

#: The annotation that makes a pod a mirror: the hash of the manifest that it shows.
MIRROR = "kubernetes.io/config.mirror"


class MirrorWriter:
    """client_of: the API as this node may use it."""

    def __init__(self, client_of: Callable[[str], Client], rejections: Rejections) -> None:
        self._client_of = client_of
        self._rejections = rejections

    async def write(self, node: str, report: MirrorPodReport) -> None:
        """Do what a node wishes. What is refused is noted: the node says it again. Raises MalformedMessage, StatusError."""
        client = self._client_of(node)
        try:
            if report.object is None:
                await self._remove(client, node, report)
            else:
                await self._make(client, _mirror_pod(report, report.object))
        except StatusError as error:
            if error.code >= 500 or error.code == 429:
                raise
            self._rejections.note("mirror", f"{node} {report.namespace}/{report.name}", error)

    async def _make(self, client: Client, pod: Pod) -> None:
        try:
            await client.create(pod)
        except StatusError as error:
            # There already, or another pod of that name: the node sees which of both.
            if error.reason != "AlreadyExists":
                raise

    async def _remove(self, client: Client, node: str, report: MirrorPodReport) -> None:
        try:
            pod = await client.get(Pod, report.name, report.namespace)
        except StatusError as error:
            if error.code == 404:
                return
            raise
        metadata, spec = pod.metadata, pod.spec
        if metadata is None or spec is None or metadata.uid != report.uid:
            return  # another one by now
        if spec.nodeName != node or MIRROR not in (metadata.annotations or {}):
            raise MalformedMessage("MirrorPodReport: the pod is no mirror pod of the node's")
        try:
            options = DeleteOptions(grace_period_seconds=0, uid=report.uid)
            await client.delete(Pod, report.name, report.namespace, options)
        except StatusError as error:
            if error.code not in (404, 409):
                raise


def _mirror_pod(report: MirrorPodReport, value: Json) -> Pod:
    try:
        pod = msgspec.convert(value, Pod)
    except msgspec.ValidationError as error:
        raise MalformedMessage(f"Pod: {error}") from error
    metadata = pod.metadata
    if metadata is None or (metadata.namespace, metadata.name) != (report.namespace, report.name):
        raise MalformedMessage("MirrorPodReport: the pod is not the one that is named")
    if metadata.generateName or metadata.finalizers:
        raise MalformedMessage("MirrorPodReport: a mirror pod has neither a generated name nor finalizers")
    return pod
