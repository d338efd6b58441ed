"""Seals a secret to one node's X25519 key: ephemeral key agreement, HKDF-SHA256, AES-256-GCM.

Sealed bytes: 32 bytes ephemeral public key, 12 bytes nonce, ciphertext with tag. `context` (the topic) is authenticated, so
a sealed secret cannot be passed off as another one.
"""

import os
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_KEY, _NONCE = 32, 12


class Unsealable(ValueError):
    """Bytes that were not sealed to this key for this context, or were altered."""


def generate_key() -> bytes:
    """A new private sealing key, 32 raw bytes."""
    return X25519PrivateKey.generate().private_bytes_raw()


def public_key(private_key: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(private_key).public_key().public_bytes_raw()


def seal(plain: bytes, to_public_key: bytes, context: str) -> bytes:
    """Encrypt `plain` to the holder of `to_public_key`'s private half. Raises ValueError for a key of a wrong size."""
    ephemeral = X25519PrivateKey.generate()
    share = ephemeral.public_key().public_bytes_raw()
    shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(to_public_key))
    nonce = os.urandom(_NONCE)
    return share + nonce + AESGCM(_derive(shared, share)).encrypt(nonce, plain, context.encode())


def unseal(sealed: bytes, private_key: bytes, context: str) -> bytes:
    """Decrypt what `seal` made. Raises Unsealable."""
    if len(sealed) < _KEY + _NONCE:
        raise Unsealable("too short")
    share, nonce, cipher = sealed[:_KEY], sealed[_KEY : _KEY + _NONCE], sealed[_KEY + _NONCE :]
    try:
        shared = X25519PrivateKey.from_private_bytes(private_key).exchange(X25519PublicKey.from_public_bytes(share))
        return AESGCM(_derive(shared, share)).decrypt(nonce, cipher, context.encode())
    except (InvalidTag, ValueError) as error:
        raise Unsealable("not sealed to this key for this context") from error


def seal_object(value: dict[str, Any], to_public_key: bytes, context: str) -> bytes:
    """Seal a Kubernetes object (its JSON value) for ObjectOrder.sealed; `context` is the topic that it is published on."""
    return seal(msgspec.json.encode(value), to_public_key, context)


def unseal_object(sealed: bytes, private_key: bytes, context: str) -> dict[str, Any]:
    """The object that `seal_object` sealed. Raises Unsealable."""
    plain = unseal(sealed, private_key, context)
    try:
        return msgspec.json.decode(plain, type=dict[str, Any])
    except msgspec.MsgspecError:
        # Not chained: the decoder's message could quote the secret.
        raise Unsealable("what was sealed is no JSON object") from None


def _derive(shared: bytes, share: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=share, info=b"wherry sealing v1").derive(shared)
