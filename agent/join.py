"""`wherry-agent join`: makes this host a node of a cluster and writes its settings. Called by `agent.cli`.

    own keys (kept if there) ─► GET /wherry/v1/ca, unverified ─► compare with the pin ─► POST /wherry/v1/join ─► files

The pin is kubeadm's: "sha256:" and the SHA-256 of the CA certificate's SubjectPublicKeyInfo in hex. The keys never leave the
host. Nothing half done: each file is replaced atomically and the settings file, which `run` needs, comes last. Joining again
is safe: the same keys ask for the same name, and settings that a person added stay.
"""

import asyncio
import base64
import hashlib
import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec
import yaml
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agent.keys import read_key
from agent.settings import AgentSettings
from proto import sealing
from proto.daemon import settings as base
from proto.topics import node_user

_NODES_GROUP = "system:nodes"
_TOKEN = re.compile(r"[a-z0-9]{6}\.[a-z0-9]{16}\Z")
_PIN = re.compile(r"sha256:([0-9a-f]{64})\Z")
_TIMEOUT = aiohttp.ClientTimeout(total=30, connect=10)
_MAX_ANSWER = 1024 * 1024


class JoinFailed(Exception):
    """Why this host did not join, and what to do, in one sentence."""


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """What the command line says. `server` is the master's URL."""

    server: str
    token: str
    ca_hash: str
    node_name: str
    config_dir: Path
    data_dir: str


class _Broker(msgspec.Struct, frozen=True):
    host: str
    port: int


class _Answer(msgspec.Struct, frozen=True):
    """What the master answers; further fields are for later versions."""

    certificate: str
    ca: str
    cluster_id: str
    broker: _Broker
    signing_key: str


async def join(request: JoinRequest) -> Path:
    """Join; returns the settings file. Raises JoinFailed."""
    pin = _check(request)
    try:
        key, sealing_key = await asyncio.to_thread(_own_keys, request.config_dir)
    except OSError as error:
        raise JoinFailed(f"cannot write {error.filename or request.config_dir}: {error.strerror}") from error
    server = request.server.rstrip("/")
    async with aiohttp.ClientSession(timeout=_TIMEOUT) as http:
        ca_pem = await _fetch_ca(http, server, pin)
        answer = await _ask(http, server, request, ca_pem, _csr(request.node_name, key), sealing_key)
    _check_certificate(answer, request, key, ca_pem)
    try:
        return await asyncio.to_thread(_write, request, answer, ca_pem)
    except OSError as error:
        raise JoinFailed(f"cannot write {error.filename or request.config_dir}: {error.strerror}") from error


def _check(request: JoinRequest) -> bytes:
    """The pinned hash. Raises JoinFailed."""
    url = urlsplit(request.server)
    if url.scheme != "https" or not url.hostname or url.path.strip("/") or url.query:
        raise JoinFailed(f"--server {request.server!r} must be https://HOST:PORT")
    if not _TOKEN.match(request.token):
        raise JoinFailed("--token must be ID.SECRET, six and sixteen lowercase letters and digits")
    pin = _PIN.match(request.ca_hash)
    if pin is None:
        raise JoinFailed("--ca-hash must be sha256: and 64 lowercase hexadecimal digits")
    try:
        node_user(request.node_name)
        msgspec.convert(_identity(request, "cluster", _Broker("broker", 1)), AgentSettings)
    except (ValueError, msgspec.ValidationError) as error:
        raise JoinFailed(f"node name {request.node_name!r} or data folder {request.data_dir!r}: {error}") from error
    return bytes.fromhex(pin.group(1))


# ── keys and certificate ─────────────────────────────────────────────────────────────────────────────────────────────


def _own_keys(folder: Path) -> tuple[ec.EllipticCurvePrivateKey, bytes]:
    """The node's key and its private sealing key, made if they are not there. Raises OSError, JoinFailed."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key_file, sealing_file = folder / "node.key", folder / "sealing.key"
    try:
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    except FileNotFoundError:
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        replace_file(key_file, pem, mode=0o600)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise JoinFailed(f"{key_file} holds no usable key; remove it to make a new one") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise JoinFailed(f"{key_file} holds no elliptic curve key; remove it to make a new one")
    try:
        sealing_key = read_key(sealing_file)
    except FileNotFoundError:
        sealing_key = sealing.generate_key()
        replace_file(sealing_file, base64.b64encode(sealing_key) + b"\n", mode=0o600)
    except ValueError as error:
        raise JoinFailed(f"{sealing_file}: {error}; remove it to make a new one") from error
    return key, sealing_key


def _csr(node: str, key: ec.EllipticCurvePrivateKey) -> str:
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, _NODES_GROUP),
            x509.NameAttribute(NameOID.COMMON_NAME, node_user(node), _validate=False),  # longer than X.520's 64 is usual
        ]
    )
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def _check_certificate(answer: _Answer, request: JoinRequest, key: ec.EllipticCurvePrivateKey, ca_pem: bytes) -> None:
    """What came must be a certificate for our key and name by the pinned CA. Raises JoinFailed."""
    try:
        certificate = x509.load_pem_x509_certificate(answer.certificate.encode())
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(ca_pem))
        signing_key = base64.b64decode(answer.signing_key, validate=True)
    except (ValueError, TypeError, InvalidSignature) as error:
        raise JoinFailed("the master answered with a certificate or key that cannot be used") from error
    names = [attribute.value for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if certificate.public_key() != key.public_key() or names != [node_user(request.node_name)]:
        raise JoinFailed("the master answered with a certificate for another key or name")
    if len(signing_key) != 32:
        raise JoinFailed("the master answered with a signing key of a wrong size")


# ── the two requests ─────────────────────────────────────────────────────────────────────────────────────────────────


async def _fetch_ca(http: aiohttp.ClientSession, server: str, pin: bytes) -> bytes:
    """The CA certificate (PEM) that has the pinned hash. Raises JoinFailed."""
    unverified = ssl.create_default_context()
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    status, body = await _exchange(http, "GET", f"{server}/wherry/v1/ca", unverified)
    if status != 200:
        raise JoinFailed(f"{server} does not serve a wherry CA (HTTP {status}): is it the master's API?")
    try:
        certificates = x509.load_pem_x509_certificates(body)
    except ValueError as error:
        raise JoinFailed(f"{server} answered with something that is no certificate: is it the master's API?") from error
    for certificate in certificates:
        spki = certificate.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        if hashlib.sha256(spki).digest() == pin:
            return certificate.public_bytes(serialization.Encoding.PEM)
    raise JoinFailed(f"the CA of {server} does not have the hash in --ca-hash: it may be another cluster, or an impostor")


async def _ask(
    http: aiohttp.ClientSession, server: str, request: JoinRequest, ca_pem: bytes, csr: str, sealing_key: bytes
) -> _Answer:
    """Raises JoinFailed."""
    verified = ssl.create_default_context(cadata=ca_pem.decode())
    body = {
        "node_name": request.node_name,
        "csr": csr,
        "sealing_key": base64.b64encode(sealing.public_key(sealing_key)).decode(),
    }
    status, content = await _exchange(
        http,
        "POST",
        f"{server}/wherry/v1/join",
        verified,
        body=msgspec.json.encode(body),
        headers={"Authorization": f"Bearer {request.token}", "Content-Type": "application/json"},
    )
    match status:
        case 200 | 201:
            try:
                return msgspec.json.decode(content, type=_Answer)
            except msgspec.MsgspecError as error:
                raise JoinFailed(f"{server} gave an answer that this version does not understand: {error}") from error
        case 401:
            raise JoinFailed("the token is unknown or has expired: make a new one with `wherry-master token create`")
        case 409:
            raise JoinFailed(
                f"a node named {request.node_name!r} exists and has another key: choose another --node-name, "
                f"or delete the node first ({_message(content)})"
            )
        case _:
            raise JoinFailed(f"{server} refused (HTTP {status}): {_message(content)}")


async def _exchange(
    http: aiohttp.ClientSession,
    method: str,
    url: str,
    context: ssl.SSLContext,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, bytes]:
    """Raises JoinFailed."""
    try:
        async with http.request(method, url, ssl=context, data=body, headers=headers, allow_redirects=False) as response:
            return response.status, await response.content.read(_MAX_ANSWER)
    except aiohttp.ClientConnectorCertificateError as error:
        raise JoinFailed(f"{url}: the server's certificate is not good for this address: {error.certificate_error}") from error
    except aiohttp.ClientConnectorError as error:
        raise JoinFailed(f"{url} cannot be reached: {_reason(error.os_error)}") from error
    except TimeoutError as error:
        raise JoinFailed(f"{url} does not answer in time") from error
    except (aiohttp.ClientError, aiohttp.InvalidURL, OSError) as error:
        raise JoinFailed(f"{url}: {error or type(error).__name__}") from error


def _reason(error: OSError) -> str:
    """The system's words; asyncio's own stand in `strerror` of a refused connection."""
    number = error.errno or 0  # negative where the name could not be resolved
    return os.strerror(number) if number > 0 else error.strerror or str(error)


def _message(content: bytes) -> str:
    """The message of a Kubernetes Status, or "" when the answer is none."""
    try:
        return str(msgspec.json.decode(content, type=dict[str, Any]).get("message", ""))
    except msgspec.MsgspecError:
        return ""


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _write(request: JoinRequest, answer: _Answer, ca_pem: bytes) -> Path:
    """Raises OSError, JoinFailed."""
    folder = request.config_dir
    config = folder / "config.yaml"
    settings = _present_settings(config) | _identity(request, answer.cluster_id, answer.broker)
    try:
        msgspec.convert(settings, AgentSettings)
    except msgspec.ValidationError as error:
        raise JoinFailed(f"the settings that would be written to {config} are not valid: {error}") from error
    replace_file(folder / "node.crt", answer.certificate.encode(), mode=0o644)
    replace_file(folder / "ca.crt", answer.ca.encode() or ca_pem, mode=0o644)
    replace_file(folder / "signing.pub", answer.signing_key.encode() + b"\n", mode=0o644)
    replace_file(config, yaml.safe_dump(settings, sort_keys=False).encode(), mode=0o600)
    return config


def _present_settings(config: Path) -> dict[str, Any]:
    if not config.exists():
        return {}
    try:
        return base.read(config)
    except base.InvalidSettings as error:
        raise JoinFailed(f"{error}; mend or remove the file") from error


def _identity(request: JoinRequest, cluster: str, broker: _Broker) -> dict[str, Any]:
    return {
        "node_name": request.node_name,
        "cluster": cluster,
        "broker": {"host": broker.host, "port": broker.port},
        "certificate": "node.crt",
        "key": "node.key",
        "ca": "ca.crt",
        "signing_key": "signing.pub",
        "sealing_key": "sealing.key",
        "data_dir": request.data_dir,
    }


def replace_file(path: Path, content: bytes, *, mode: int) -> None:
    """Replace a file atomically and durably. Raises OSError."""
    temporary = path.with_name(f".{path.name}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
