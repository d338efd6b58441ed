"""Lets new nodes in: checks a node's request, signs its certificate, tells it all that it needs. Implements the API's Joiner.

A name belongs to the key that joined first: its fingerprint stands in an annotation of the Node, which the join itself
creates. Another key gets the name only when the Node is deleted, or asks for itself as the node that it is.
"""

import base64
import binascii
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec
from cryptography.hazmat.primitives.serialization import Encoding
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Node

from master.client.errors import StatusError, bad_request, forbidden
from master.client.protocol import Client, Json
from master.fleet.view import SEALING_KEY_ANNOTATION
from master.pki.cluster import ClusterPki
from master.pki.node_request import NODES_GROUP, NodeRequest, Refused, check
from proto.sealing import seal
from proto.signing import Signer
from proto.topics import node_user

log = logging.getLogger(__name__)

#: SHA-256 of the public key that the node's certificate is for, hex.
KEY_ANNOTATION = "wherry.io/node-key"
BOOTSTRAPPERS = "system:bootstrappers"


class User(Protocol):
    """Who asks, as the API authenticated it."""

    @property
    def name(self) -> str: ...

    @property
    def groups(self) -> Sequence[str]: ...


class _Request(msgspec.Struct, forbid_unknown_fields=False):
    node_name: str
    csr: str
    sealing_key: str


@dataclass(frozen=True, slots=True)
class JoinSettings:
    """What a node is told beside its certificate."""

    broker_host: str
    broker_port: int
    cluster_domain: str


class NodeJoiner:
    """See the module."""

    def __init__(self, client: Client, pki: ClusterPki, settings: JoinSettings) -> None:
        self._client = client
        self._pki = pki
        self._settings = settings

    def ca_pem(self) -> bytes:
        return self._pki.authority.certificate_pem

    async def join(self, user: User, request: Json) -> Json:
        """Sign a node's certificate. Raises StatusError: 400 malformed, 403 not allowed, 409 the name is another key's."""
        try:
            asked = msgspec.convert(request, _Request)
            sealing_key = base64.b64decode(asked.sealing_key, validate=True)
            seal(b"", sealing_key, "")
            checked = check(asked.node_name, asked.csr.encode())
        except msgspec.ValidationError as error:
            raise bad_request(f"join: {error}") from error
        except Refused as error:
            raise bad_request(f"join: {error}") from error
        except (binascii.Error, ValueError) as error:
            raise bad_request("join: sealing_key is no X25519 public key in base64") from error
        itself = user.name == node_user(checked.node)
        if not itself and BOOTSTRAPPERS not in user.groups:
            raise forbidden("nodes", "", checked.node, f'user "{user.name}" may not join nodes')
        await self._claim(checked, asked.sealing_key, may_change_key=itself)
        certificate = self._pki.authority.issue_client(checked.public_key, node_user(checked.node), [NODES_GROUP])
        log.info("a node joined", extra={"node": checked.node, "by": user.name})
        return {
            "certificate": certificate.public_bytes(Encoding.PEM).decode(),
            "ca": self.ca_pem().decode(),
            "cluster_id": self._pki.cluster_id,
            "broker": {"host": self._settings.broker_host, "port": self._settings.broker_port},
            "signing_key": base64.b64encode(Signer(self._pki.signing_key).public_key).decode(),
            "cluster_domain": self._settings.cluster_domain,
        }

    async def _claim(self, request: NodeRequest, sealing_key: str, *, may_change_key: bool) -> None:
        """Make the Node this key's, or fail because it is another's."""
        annotations = {KEY_ANNOTATION: request.fingerprint, SEALING_KEY_ANNOTATION: sealing_key}
        try:
            await self._client.create(
                Node(
                    metadata=ObjectMeta(
                        name=request.node, annotations=annotations, labels={"kubernetes.io/hostname": request.node}
                    )
                )
            )
        except StatusError as error:
            if error.reason != "AlreadyExists":
                raise
        else:
            return
        node = await self._client.get(Node, request.node)
        present = (node.metadata.annotations or {}) if node.metadata is not None else {}
        holder = present.get(KEY_ANNOTATION)
        if holder not in (None, request.fingerprint) and not may_change_key:
            raise StatusError(
                409,
                "Conflict",
                f'node "{request.node}" has joined with another key: choose another name, '
                f"or run `kubectl delete node {request.node}` if that host is gone",
            )
        if any(present.get(key) != value for key, value in annotations.items()):
            version = node.metadata.resourceVersion if node.metadata is not None else None
            patch = {"metadata": {"annotations": annotations, "resourceVersion": version}}
            await self._client.patch(Node, request.node, "", patch)
