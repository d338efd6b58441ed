"""Writes what nodes say of their pods to the pods' status, and removes pods whose end a node has reported.

A node may speak only for pods that are bound to it, by uid. Called by `master.fleet.intake`.
"""

import logging

import msgspec
from lightkube.resources.core_v1 import Pod

from master.client.errors import StatusError
from master.client.protocol import Client, DeleteOptions
from master.fleet.reports import pod_status
from proto.messages import PodStatusReport

log = logging.getLogger(__name__)

_ATTEMPTS = 5


class PodWriter:
    """See the module. Methods raise StatusError, and MalformedMessage for a status that is none."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def status(self, node: str, report: PodStatusReport) -> None:
        """Write the pod's status; when all is over on the node and the pod is being deleted, delete it."""
        for attempt in range(_ATTEMPTS):
            pod = await self._find(node, report)
            if pod is None:
                return
            status = pod_status(report.status, pod.status)
            if status is None:
                break
            try:
                pod = await self._client.replace_status(msgspec.structs.replace(pod, status=status))
                break
            except StatusError as error:
                if error.code == 404:
                    return
                if error.code != 409 or attempt == _ATTEMPTS - 1:
                    raise
        if report.terminated and pod is not None and pod.metadata is not None and pod.metadata.deletionTimestamp is not None:
            await self._remove(report)

    async def _find(self, node: str, report: PodStatusReport) -> Pod | None:
        try:
            pod = await self._client.get(Pod, report.name, report.namespace)
        except StatusError as error:
            if error.code == 404:
                return None
            raise
        bound = pod.spec.nodeName if pod.spec is not None else None
        if pod.metadata is None or pod.metadata.uid != report.uid or bound != node:
            log.debug("a report for another pod", extra={"node": node, "pod": report.name, "uid": report.uid})
            return None
        return pod

    async def _remove(self, report: PodStatusReport) -> None:
        options = DeleteOptions(grace_period_seconds=0, uid=report.uid)
        try:
            await self._client.delete(Pod, report.name, report.namespace, options)
        except StatusError as error:
            if error.code not in (404, 409):  # gone already, or another pod of that name
                raise
