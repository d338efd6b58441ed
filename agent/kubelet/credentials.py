"""Registry credentials from a pod's imagePullSecrets. Pure; what it reads is never logged.

https://kubernetes.io/docs/tasks/configure-pod-container/pull-image-private-registry/
"""

from base64 import b64decode
from binascii import Error as NotBase64
from typing import Any

import msgspec
from lightkube.models.core_v1 import Pod

from agent.kubelet.pods import spec_of
from agent.runtime.spec import RegistryCredentials
from agent.volumes.references import References, secret_data

_DOCKER_HUB = ("docker.io", "index.docker.io", "https://index.docker.io/v1/")


def credentials_for(pod: Pod, image: str, references: References) -> list[RegistryCredentials]:
    """Those whose registry is the image's. A missing or broken secret is passed over, as kubelet does."""
    found = []
    registry = registry_of(image)
    for reference in spec_of(pod).imagePullSecrets or ():
        data = secret_data(references.secret(reference.name or "", optional=True))
        for server, entry in _entries(data).items():
            if _host(server) == registry or (registry == "docker.io" and server in _DOCKER_HUB):
                credentials = _credentials(server, entry)
                if credentials is not None:
                    found.append(credentials)
    return found


def registry_of(image: str) -> str:
    """The registry's host: "docker.io" unless the reference names one."""
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else "docker.io"


def _entries(data: dict[str, bytes]) -> dict[str, Any]:
    try:
        if ".dockerconfigjson" in data:
            entries = msgspec.json.decode(data[".dockerconfigjson"])["auths"]
        elif ".dockercfg" in data:
            entries = msgspec.json.decode(data[".dockercfg"])
        else:
            return {}
    except (msgspec.DecodeError, KeyError, TypeError):
        return {}
    return entries if isinstance(entries, dict) else {}


def _host(server: str) -> str:
    return server.removeprefix("https://").removeprefix("http://").partition("/")[0]


def _credentials(server: str, entry: Any) -> RegistryCredentials | None:
    if not isinstance(entry, dict):
        return None
    username, password = str(entry.get("username", "")), str(entry.get("password", ""))
    if not username and entry.get("auth"):
        try:
            username, _, password = b64decode(str(entry["auth"])).decode().partition(":")
        except (NotBase64, UnicodeDecodeError):
            return None
    return RegistryCredentials(username, password, server, str(entry.get("identitytoken", "")))
