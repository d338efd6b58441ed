"""ConfigMaps, Secrets and claims that pods refer to, as they are at hand on this node. Pure look-ups."""

from base64 import b64decode
from dataclasses import dataclass

from lightkube.models.core_v1 import ConfigMap, Secret
from lightkube.resources.core_v1 import PersistentVolumeClaim

from agent.desired import DesiredState
from proto.pod_tokens import TYPE, token_key


class ObjectMissing(Exception):
    """A referenced object, or a key in it, is not there (yet). The message is Kubernetes'."""

    def __init__(self, kind: str, name: str, key: str | None = None) -> None:
        super().__init__(f'{kind} "{name}" not found' if key is None else f"references non-existent {kind.lower()} key: {key}")
        self.kind = kind
        self.name = name
        self.key = key


@dataclass(frozen=True, slots=True)
class References:
    """One namespace's objects."""

    desired: DesiredState
    namespace: str

    def config_map(self, name: str, *, optional: bool) -> ConfigMap | None:
        """Raises ObjectMissing unless optional."""
        found = self.desired.config_maps.get((self.namespace, name))
        if found is None and not optional:
            raise ObjectMissing("configmap", name)
        return found

    def secret(self, name: str, *, optional: bool) -> Secret | None:
        """Raises ObjectMissing unless optional."""
        found = self.desired.secrets.get((self.namespace, name))
        if found is None and not optional:
            raise ObjectMissing("secret", name)
        return found

    def claim(self, name: str) -> PersistentVolumeClaim | None:
        return self.desired.claims.get((self.namespace, name))


def service_account_token(references: References, pod_uid: str, audience: str, seconds: int) -> bytes:
    """The token that the master made for a pod. Raises ObjectMissing when it did not come (yet)."""
    # Without a namespace: no Secret of the API can be called so.
    found = references.desired.secrets.get(("", pod_uid))
    data = secret_data(found if found is not None and found.type == TYPE else None)
    token = data.get(token_key(audience, seconds))
    if token is None:
        raise ObjectMissing("service account token for audience", audience)
    return token


def config_map_data(found: ConfigMap | None) -> dict[str, bytes]:
    """Both of a ConfigMap's maps as bytes."""
    if found is None:
        return {}
    result = {key: value.encode("utf-8", "surrogateescape") for key, value in (found.data or {}).items()}
    return result | {key: b64decode(value) for key, value in (found.binaryData or {}).items()}


def secret_data(found: Secret | None) -> dict[str, bytes]:
    if found is None:
        return {}
    return {key: b64decode(value) for key, value in (found.data or {}).items()}


def config_map_value(references: References, name: str, key: str, *, optional: bool) -> bytes | None:
    """None when it is optional and not there. Raises ObjectMissing."""
    found = references.config_map(name, optional=optional)
    text = (found.data or {}).get(key) if found is not None else None
    if text is None:
        if optional:
            return None
        raise ObjectMissing("ConfigMap", name, key)
    return str(text).encode("utf-8", "surrogateescape")


def secret_value(references: References, name: str, key: str, *, optional: bool) -> bytes | None:
    """None when it is optional and not there. Raises ObjectMissing."""
    data = secret_data(references.secret(name, optional=optional))
    if key not in data:
        if optional:
            return None
        raise ObjectMissing("Secret", name, key)
    return data[key]
