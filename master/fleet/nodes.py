"""Writes what nodes say of themselves to their Node objects, as far as Kubernetes lets a kubelet.

A node may set its status, its sealing key and the well-known labels of a kubelet; never taints, spec, owner references,
finalizers or other labels of an existing Node (NodeRestriction; CVE-2025-5187). Called by `master.fleet.intake`.
Source: https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction
"""

import base64
import logging
import re
from datetime import UTC, datetime
from typing import Any

import msgspec
from lightkube.models.core_v1 import NodeStatus
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Node

from master.client.errors import StatusError
from master.client.protocol import Client
from master.fleet.reports import node_status
from master.fleet.view import SEALING_KEY_ANNOTATION
from proto.envelope import MalformedMessage
from proto.messages import Hello, Json, NodeStatusReport
from proto.sealing import seal

log = logging.getLogger(__name__)

#: What a kubelet keeps up to date on an existing Node.
_OWN_LABELS = frozenset(
    (
        "kubernetes.io/arch",
        "kubernetes.io/os",
        "kubernetes.io/hostname",
        "beta.kubernetes.io/arch",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/instance-type",
        "node.kubernetes.io/instance-type",
        "topology.kubernetes.io/region",
        "topology.kubernetes.io/zone",
    )
)
_OWN_PREFIXES = ("kubelet.kubernetes.io/", "node.kubernetes.io/")
#: Domains that belong to Kubernetes: within them a node sets its own labels only.
_RESERVED = re.compile(r"(.*\.)?(kubernetes|k8s)\.io\Z")
_ATTEMPTS = 5


class NodeWriter:
    """See the module. Methods raise StatusError, and MalformedMessage for what no kubelet says."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def hello(self, name: str, hello: Hello) -> None:
        """Create the Node if it is missing; bring labels, sealing key and status up to date."""
        _check_sealing_key(hello.sealing_key)
        said = _node_of(hello.node)
        labels = said.metadata.labels if said.metadata is not None and said.metadata.labels else {}
        key = base64.b64encode(hello.sealing_key).decode()
        node = await self._find(name)
        if node is None:
            node = await self._create(name, _allowed_at_creation(labels, name), key)
            log.info("a node registered", extra={"node": name})
        else:
            patch = _metadata_patch(node, {k: v for k, v in labels.items() if k in _OWN_LABELS}, key)
            if patch:
                node = await self._client.patch(Node, name, "", {"metadata": patch})
        status = hello.node.get("status")
        if isinstance(status, dict) and status:
            await self._write_status(name, status)

    async def status(self, name: str, report: NodeStatusReport) -> None:
        await self._write_status(name, report.status)

    async def _find(self, name: str) -> Node | None:
        try:
            return await self._client.get(Node, name)
        except StatusError as error:
            if error.code == 404:
                return None
            raise

    async def _create(self, name: str, labels: dict[str, str], key: str) -> Node:
        metadata = ObjectMeta(name=name, labels=labels, annotations={SEALING_KEY_ANNOTATION: key})
        return await self._client.create(Node(metadata=metadata))

    async def _write_status(self, name: str, reported: Json) -> None:
        for attempt in range(_ATTEMPTS):
            node = await self._find(name)
            if node is None:
                return  # deleted; the node registers again when its agent starts, as a kubelet does
            present: NodeStatus | None = node.status
            status = node_status(reported, present, datetime.now(UTC).replace(microsecond=0))
            if status is None:
                return
            try:
                await self._client.replace_status(msgspec.structs.replace(node, status=status))
                return
            except StatusError as error:
                if error.code != 409 or attempt == _ATTEMPTS - 1:
                    raise


def _node_of(value: Json) -> Node:
    try:
        return msgspec.convert(value, Node)
    except msgspec.ValidationError as error:
        raise MalformedMessage(f"Node: {error}") from error


def _check_sealing_key(key: bytes) -> None:
    """A key that nothing can be sealed to (a wrong size, a point of low order) is malformed."""
    try:
        seal(b"", key, "")
    except ValueError as error:
        raise MalformedMessage("the sealing key is no X25519 key") from error


def _allowed_at_creation(labels: dict[str, str], name: str) -> dict[str, str]:
    allowed = {
        label: value
        for label, value in labels.items()
        if label in _OWN_LABELS or label.startswith(_OWN_PREFIXES) or not _RESERVED.match(label.rpartition("/")[0])
    }
    return {"kubernetes.io/hostname": name, **allowed}


def _metadata_patch(node: Node, labels: dict[str, str], key: str) -> Json:
    metadata = node.metadata
    present = (metadata.labels or {}) if metadata is not None else {}
    annotations = (metadata.annotations or {}) if metadata is not None else {}
    patch: dict[str, Any] = {}
    changed = {label: value for label, value in labels.items() if present.get(label) != value}
    if changed:
        patch["labels"] = changed
    if annotations.get(SEALING_KEY_ANNOTATION) != key:
        patch["annotations"] = {SEALING_KEY_ANNOTATION: key}
    return patch
