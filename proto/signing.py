"""Ed25519 signatures on the master's orders: a broker that is taken over can delay an order, not forge one."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from proto.envelope import Envelope


class Forged(ValueError):
    """An order whose signature does not hold on the topic that it came on."""


class Signer:
    """Signs orders with the cluster's signing key (32 raw bytes)."""

    def __init__(self, private_key: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(private_key)

    @staticmethod
    def generate() -> bytes:
        """A new private key, 32 raw bytes."""
        return Ed25519PrivateKey.generate().private_bytes_raw()

    @property
    def public_key(self) -> bytes:
        return self._key.public_key().public_bytes_raw()

    def sign(self, envelope: Envelope, topic: str) -> Envelope:
        return envelope.with_signature(self._key.sign(envelope.signed_bytes(topic)))


class Verifier:
    """Checks orders against the cluster's public signing key (32 raw bytes), which `join` delivered."""

    def __init__(self, public_key: bytes) -> None:
        self._key = Ed25519PublicKey.from_public_bytes(public_key)

    def verify(self, envelope: Envelope, topic: str) -> None:
        """Raises Forged unless the signature holds for this envelope on this topic."""
        try:
            self._key.verify(envelope.signature, envelope.signed_bytes(topic))
        except InvalidSignature as error:
            raise Forged(f"signature of {envelope.kind} on {topic} does not hold") from error
