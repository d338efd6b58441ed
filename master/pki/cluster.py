"""The folder that holds the cluster's identity, made once by `wherry-master init` and read by every `run`.

    ca.crt ca.key                        the cluster CA
    server.crt server.key                the API's server certificate
    admin.crt admin.key                  kubernetes-admin, group system:masters
    broker-server.crt broker-server.key  the broker's server certificate
    broker-client.crt broker-client.key  the master's own identity towards the broker
    signing.key                          Ed25519: signs the orders to nodes
    service-account.key                  ECDSA P-256: signs service account tokens
    service-account*.pub                 public keys whose tokens are accepted: the present one's, and earlier ones'
    cluster-id                           names the cluster in MQTT topics

`prepare` is idempotent: keys are never replaced, certificates only when they near their end or lack a name. Keys have mode
0600, the folder 0700.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cryptography.hazmat.primitives.serialization import Encoding

from master.pki import files, kubeconfig
from master.pki.authority import Authority, covers, generate_key, key_to_pem, load_certificate, load_key
from master.pki.files import PkiError
from master.pki.service_account.keys import ServiceAccountKeys, key_id, load_public_key, public_pem
from proto.signing import Signer

ADMIN_USER = "kubernetes-admin"
ADMIN_GROUP = "system:masters"
#: The master's user name at the broker, which its ACL file names.
BROKER_USER = "wherry-master"
_BROKER_GROUP = "wherry:masters"


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its key, by file."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class ClusterPki:
    """The cluster's identity, loaded."""

    folder: Path
    authority: Authority
    cluster_id: str
    signing_key: bytes
    service_account_keys: ServiceAccountKeys

    @property
    def ca_path(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def server(self) -> KeyPair:
        return _pair(self.folder, "server")

    @property
    def admin(self) -> KeyPair:
        return _pair(self.folder, "admin")

    @property
    def broker_server(self) -> KeyPair:
        return _pair(self.folder, "broker-server")

    @property
    def broker_client(self) -> KeyPair:
        return _pair(self.folder, "broker-client")

    def kubeconfig(self, server: str) -> bytes:
        """The administrator's kubeconfig for the API at `server`. Raises PkiError."""
        return kubeconfig.render(
            server=server,
            ca_pem=self.authority.certificate_pem,
            certificate_pem=files.read(self.admin.certificate),
            key_pem=files.read(self.admin.key),
            user=ADMIN_USER,
            cluster="wherry",
        )


def load(folder: Path) -> ClusterPki:
    """Read what `prepare` made. Raises PkiError, also when certificates are missing."""
    authority = _load_authority(folder)
    for name in ("server", "admin", "broker-server", "broker-client"):
        pair = _pair(folder, name)
        _load_pair(pair)
    cluster_id = files.read(folder / "cluster-id").decode(errors="replace").strip()
    if not cluster_id:
        raise PkiError(f"{folder / 'cluster-id'} is empty: restore it, or delete it and run `wherry-master init`")
    signing_key = files.read(folder / "signing.key")
    if len(signing_key) != 32:
        raise PkiError(f"{folder / 'signing.key'} does not hold 32 bytes: restore it from a backup")
    return ClusterPki(folder, authority, cluster_id, signing_key, _service_account_keys(folder))


def prepare(folder: Path, *, server_names: Sequence[str], broker_names: Sequence[str]) -> tuple[ClusterPki, list[str]]:
    """Make what is missing; the loaded identity and the names of the files that were written. Raises PkiError.

    `server_names` and `broker_names` are the DNS names and addresses that the two server certificates must hold.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise PkiError(f"cannot prepare {folder}: {error.strerror}") from error
    written: list[str] = []
    _keep(folder / "cluster-id", lambda: f"{uuid.uuid4().hex[:12]}\n".encode(), written, mode=files.PUBLIC_MODE)
    authority = _prepare_authority(folder, written)
    _keep(folder / "signing.key", Signer.generate, written)
    _keep(folder / "service-account.key", lambda: key_to_pem(generate_key()), written)
    _prepare_service_account_public_key(folder, written)
    _prepare_pair(folder, "server", authority, written, names=server_names, common_name="kube-apiserver")
    _prepare_pair(folder, "admin", authority, written, common_name=ADMIN_USER, organizations=[ADMIN_GROUP])
    _prepare_pair(folder, "broker-server", authority, written, names=broker_names, common_name="wherry-broker")
    _prepare_pair(folder, "broker-client", authority, written, common_name=BROKER_USER, organizations=[_BROKER_GROUP])
    return load(folder), written


def _prepare_authority(folder: Path, written: list[str]) -> Authority:
    key, certificate = folder / "ca.key", folder / "ca.crt"
    if key.exists() != certificate.exists():
        missing = certificate if key.exists() else key
        raise PkiError(f"{missing} is missing but its other half exists: restore it from a backup")
    if not key.exists():
        authority = Authority.generate("wherry-ca")
        files.write(key, authority.key_pem)
        files.write(certificate, authority.certificate_pem, mode=files.PUBLIC_MODE)
        written += [key.name, certificate.name]
    return _load_authority(folder)


def _prepare_pair(
    folder: Path,
    name: str,
    authority: Authority,
    written: list[str],
    *,
    common_name: str,
    names: Sequence[str] = (),
    organizations: Sequence[str] = (),
) -> None:
    """A certificate for `name`: a server's when it has names, a client's when not. The key survives."""
    pair = _pair(folder, name)
    _keep(pair.key, lambda: key_to_pem(generate_key()), written)
    key = _parsed(pair.key, load_key)
    if pair.certificate.exists():
        present = _parsed(pair.certificate, load_certificate)
        if present.public_key() == key.public_key() and covers(present, names) and authority.signed(present):
            return
    issued = (
        authority.issue_server(key, common_name, names)
        if names
        else authority.issue_client(key.public_key(), common_name, organizations)
    )
    files.write(pair.certificate, issued.public_bytes(Encoding.PEM), mode=files.PUBLIC_MODE)
    written.append(pair.certificate.name)


def _prepare_service_account_public_key(folder: Path, written: list[str]) -> None:
    """The present key's public half. An earlier one's stays under its id: its tokens are accepted until that file is deleted.

    So a key is rotated by deleting service-account.key: the next start makes another.
    """
    path = folder / "service-account.pub"
    present = _parsed(folder / "service-account.key", public_pem)
    if path.exists():
        former = files.read(path)
        if former == present:
            return
        name = f"service-account-{key_id(_parsed(path, load_public_key))[:12]}.pub"
        files.write(folder / name, former, mode=files.PUBLIC_MODE)
        written.append(name)
    files.write(path, present, mode=files.PUBLIC_MODE)
    written.append(path.name)


def _service_account_keys(folder: Path) -> ServiceAccountKeys:
    further = []
    for path in sorted(folder.glob("service-account*.pub")):
        _parsed(path, load_public_key)
        further.append(files.read(path))
    return _parsed(folder / "service-account.key", lambda pem: ServiceAccountKeys(pem, further))


def _keep(path: Path, make: Callable[[], bytes], written: list[str], *, mode: int = files.PRIVATE_MODE) -> None:
    if not path.exists():
        files.write(path, make(), mode=mode)
        written.append(path.name)


def _pair(folder: Path, name: str) -> KeyPair:
    return KeyPair(folder / f"{name}.crt", folder / f"{name}.key")


def _load_authority(folder: Path) -> Authority:
    key = _parsed(folder / "ca.key", load_key)
    certificate = _parsed(folder / "ca.crt", load_certificate)
    try:
        return Authority(key, certificate)
    except PkiError as error:
        raise PkiError(f"{folder}: {error}") from error


def _load_pair(pair: KeyPair) -> None:
    key = _parsed(pair.key, load_key)
    if _parsed(pair.certificate, load_certificate).public_key() != key.public_key():
        raise PkiError(f"{pair.certificate} does not belong to {pair.key}: run `wherry-master init`")


def _parsed(path: Path, parse: Callable[[bytes], T]) -> T:
    try:
        return parse(files.read(path))
    except PkiError as error:
        message = str(error)
        raise PkiError(message if str(path) in message else f"{path}: {message}") from error
