"""What a registry is shown for an image: from the pod's imagePullSecrets, then from the node's own Docker config file.

Called by the image manager at each pull. What it reads is never logged; a secret that is missing or broken is passed
over, as kubelet does. Which entry is an image's: https://kubernetes.io/docs/concepts/containers/images/#config-json
"""

import fnmatch
import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from lightkube.models.core_v1 import Pod, Secret

from agent.kubelet.images.reference import ImageReference
from agent.kubelet.pods import spec_of
from agent.runtime.spec import RegistryCredentials
from agent.volumes.references import References, secret_data

_CONFIG_JSON = ("kubernetes.io/dockerconfigjson", ".dockerconfigjson")
_CONFIG = ("kubernetes.io/dockercfg", ".dockercfg")
_DEFAULT_REGISTRY = "index.docker.io"
_API_VERSION = re.compile(r"/v[12](?=/)")
#: A larger config file is not one.
_MAX_FILE = 1024 * 1024

Auths = Mapping[str, Any]


def missing_secrets(pod: Pod, references: References) -> list[str]:
    """The pull secrets that a pod names and that are not there."""
    names = [reference.name or "" for reference in spec_of(pod).imagePullSecrets or ()]
    return [name for name in names if references.secret(name, optional=True) is None]


def of_pod(pod: Pod, references: References) -> list[Auths]:
    """The entries of a pod's pull secrets."""
    names = [reference.name or "" for reference in spec_of(pod).imagePullSecrets or ()]
    return [_of_secret(found) for name in names if (found := references.secret(name, optional=True)) is not None]


def of_file(path: str) -> Auths:
    """The entries of a Docker config file; none when it is missing or broken. Blocking."""
    if not path:
        return {}
    try:
        with Path(path).open("rb") as file:
            content = file.read(_MAX_FILE + 1)
    except OSError:
        return {}
    return _auths(content, nested=True) if len(content) <= _MAX_FILE else {}


def for_image(image: ImageReference, sources: Iterable[Auths]) -> list[RegistryCredentials]:
    """Those that match the image, of each source the most specific first; each once."""
    found: list[RegistryCredentials] = []
    for auths in sources:
        ring = sorted(_entries(auths), key=lambda entry: entry[0], reverse=True)
        matching = [credentials for key, credentials in ring if _matches(key, image)]
        if not matching and image.domain == "docker.io":
            matching = [credentials for key, credentials in ring if key == _DEFAULT_REGISTRY]
        found += [one for one in matching if one not in found]
    return found


def _of_secret(secret: Secret) -> Auths:
    for type_, key in (_CONFIG_JSON, _CONFIG):
        if secret.type == type_:
            try:
                content = secret_data(secret).get(key, b"")
            except NotBase64:
                return {}
            return _auths(content, nested=type_ == _CONFIG_JSON[0])
    return {}


def _auths(content: bytes, *, nested: bool) -> Auths:
    try:
        found = msgspec.json.decode(content)
        entries = found["auths"] if nested else found
    except (msgspec.DecodeError, KeyError, TypeError):
        return {}
    return entries if isinstance(entries, dict) else {}


def _entries(auths: Auths) -> Iterator[tuple[str, RegistryCredentials]]:
    """Keys are host with port, and the path if there is one. /v1/ and /v2/ mean the host itself."""
    for server, entry in auths.items():
        credentials = _credentials(server, entry)
        if credentials is not None:
            host, slash, rest = server.removeprefix("https://").removeprefix("http://").partition("/")
            path = _API_VERSION.sub("", slash + rest, count=1)
            yield host + ("" if path == "/" else path), credentials


def _matches(key: str, image: ImageReference) -> bool:
    """Each part of the host as a glob, the port as it is, the path as a prefix."""
    host, slash, path = key.partition("/")
    name, port = _host_port(host)
    wanted_name, wanted_port = _host_port(image.domain)
    parts, wanted = name.split("."), wanted_name.split(".")
    return (
        port == wanted_port
        and len(parts) == len(wanted)
        and f"/{image.path}".startswith(slash + path)
        and all(fnmatch.fnmatchcase(value, _glob(part)) for part, value in zip(parts, wanted, strict=True))
    )


def _glob(part: str) -> str:
    """Go negates a class of characters by ^, Python by !."""
    return part.replace("[^", "[!")


def _host_port(host: str) -> tuple[str, str]:
    if host.endswith("]"):
        return host, ""
    name, colon, port = host.rpartition(":")
    return (name, port) if colon else (host, "")


def _credentials(server: str, entry: Any) -> RegistryCredentials | None:
    if not isinstance(entry, dict):
        return None
    username, password = str(entry.get("username", "")), str(entry.get("password", ""))
    if auth := str(entry.get("auth") or ""):
        try:
            # Docker writes padding, others leave it out.
            username, colon, password = (
                b64decode(auth.rstrip("=") + "=" * (-len(auth.rstrip("=")) % 4)).decode().partition(":")
            )
        except (NotBase64, UnicodeDecodeError):
            return None
        if not colon:
            return None
    return RegistryCredentials(username, password, server, str(entry.get("identitytoken") or ""))
