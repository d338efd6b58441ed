"""The bootstrap signer: makes kube-public/cluster-info, and signs it with each bootstrap token that may sign.

Who has only a token and the API's address reads cluster-info without credentials, checks the signature with the token, and
trusts the CA in it from then on (kubeadm's discovery). Each signature is a detached JWS (HMAC-SHA256) under the key
jws-kubeconfig-<token id>. Source: https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/
"""

import hmac
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

import msgspec
import yaml
from lightkube.core.resource import Resource
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.models.rbac_v1 import PolicyRule, RoleRef, Subject
from lightkube.resources.core_v1 import ConfigMap, Secret
from lightkube.resources.rbac_authorization_v1 import Role, RoleBinding

from master.client.errors import StatusError
from master.controllers.bootstrap_tokens.secret import NAMESPACE, expiration, is_token, signing_token
from master.controllers.context import ControllerContext
from master.controllers.objects.metadata import name_of, namespace_of
from master.informer import WorkQueue, run_workers

CONFIG_MAP_NAMESPACE, CONFIG_MAP = "kube-public", "cluster-info"
KUBECONFIG = "kubeconfig"
_PREFIX = "jws-kubeconfig-"
#: Everybody may read it, by kubeadm's names.
_ROLE = "kubeadm:bootstrap-signer-clusterinfo"
_MAX_WAIT_SECONDS = 24 * 3600.0


class BootstrapSigner:
    """Reconciles the one ConfigMap."""

    name = "bootstrap-signer"

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._clock = context.clock
        self._settings = context.settings
        self._config_maps = context.informers.of(ConfigMap)
        self._secrets = context.informers.of(Secret)
        self._queue: WorkQueue[str] = WorkQueue(self.name)
        self._config_maps.add_handler(self._on_config_map)
        self._secrets.add_handler(self._on_secret)

    async def run(self) -> None:
        await self._config_maps.synced()
        await self._secrets.synced()
        self._queue.add(CONFIG_MAP)
        await run_workers(self._queue, self._reconcile, name=self.name)

    async def _publish(self) -> None:
        """Make what everybody may read. Roles that are there already stay as they are: they are the administrator's."""
        metadata = ObjectMeta(name=_ROLE, namespace=CONFIG_MAP_NAMESPACE)
        rule = PolicyRule(apiGroups=[""], resources=["configmaps"], resourceNames=[CONFIG_MAP], verbs=["get"])
        anonymous = Subject(apiGroup="rbac.authorization.k8s.io", kind="User", name="system:anonymous")
        info = cluster_info(server=self._settings.api_url, ca_certificate=self._settings.ca_certificate)
        published: tuple[Resource, ...] = (
            ConfigMap(metadata=ObjectMeta(name=CONFIG_MAP, namespace=CONFIG_MAP_NAMESPACE), data={KUBECONFIG: info}),
            Role(metadata=metadata, rules=[rule]),
            RoleBinding(
                metadata=metadata,
                roleRef=RoleRef(apiGroup="rbac.authorization.k8s.io", kind="Role", name=_ROLE),
                subjects=[anonymous],
            ),
        )
        for obj in published:
            try:
                await self._client.create(obj)
            except StatusError as error:
                if error.reason != "AlreadyExists" and error.code not in (403, 404):
                    raise

    def _on_config_map(self, old: ConfigMap | None, new: ConfigMap | None) -> None:
        config_map = new or old
        if config_map is not None and (namespace_of(config_map), name_of(config_map)) == (CONFIG_MAP_NAMESPACE, CONFIG_MAP):
            self._queue.add(CONFIG_MAP)

    def _on_secret(self, old: Secret | None, new: Secret | None) -> None:
        if any(secret is not None and is_token(secret) for secret in (old, new)):
            self._queue.add(CONFIG_MAP)

    async def _reconcile(self, key: str) -> None:
        found = self._config_maps.get(CONFIG_MAP_NAMESPACE, CONFIG_MAP)
        if found is None and self._settings.api_url:
            await self._publish()
        if found is None or KUBECONFIG not in (found.data or {}):
            return
        now = self._clock.now()
        secrets = [secret for secret in self._secrets.list(NAMESPACE) if is_token(secret)]
        signed = with_signatures(found.data or {}, dict(filter(None, (signing_token(secret, now) for secret in secrets))))
        left = [(at - now).total_seconds() for secret in secrets if (at := expiration(secret)) is not None and at > now]
        if left:
            self._queue.add_after(key, min(*left, _MAX_WAIT_SECONDS))
        if signed == found.data:
            return
        try:
            await self._client.replace(msgspec.structs.replace(found, data=signed))
        except StatusError as error:
            if error.code != 404:
                raise


def with_signatures(data: Mapping[str, str], tokens: Mapping[str, str]) -> dict[str, str]:
    """The ConfigMap's data with one signature for each token (secret by id), and no others. Pure."""
    kept = {key: value for key, value in data.items() if not key.startswith(_PREFIX)}
    return kept | {
        f"{_PREFIX}{identity}": signature(kept[KUBECONFIG], identity, secret) for identity, secret in tokens.items()
    }


def signature(content: str, identity: str, secret: str) -> str:
    """A JWS in compact form with an empty payload: whoever checks it has the content already (RFC 7515, appendix F)."""
    head = _base64url(f'{{"alg":"HS256","kid":"{identity}"}}'.encode())
    signed = hmac.digest(secret.encode(), f"{head}.{_base64url(content.encode())}".encode(), "sha256")
    return f"{head}..{_base64url(signed)}"


def cluster_info(*, server: str, ca_certificate: str) -> str:
    """The kubeconfig without a user that cluster-info holds."""
    cluster = {"certificate-authority-data": b64encode(ca_certificate.encode()).decode(), "server": server}
    config: dict[str, Any] = {
        "apiVersion": "v1",
        "clusters": [{"cluster": cluster, "name": ""}],
        "contexts": None,
        "current-context": "",
        "kind": "Config",
        "preferences": {},
        "users": None,
    }
    return yaml.safe_dump(config, sort_keys=False)


def _base64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
