"""The token controller: Secrets of type kubernetes.io/service-account-token hold a token, the CA and the namespace.

Such a token does not expire; it ends with its Secret, and the Secret with its account. When a Secret is gone, the account no
longer lists it. Nothing here makes such Secrets: users do, for clients outside the cluster that cannot renew.
Source: https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#token-controller
"""

from base64 import b64encode
from collections.abc import Iterator

import msgspec
from lightkube.resources.core_v1 import Secret, ServiceAccount

from master.client.errors import StatusError
from master.client.protocol import DeleteOptions
from master.controllers.context import ControllerContext
from master.controllers.objects.metadata import (
    Key,
    annotations_of,
    key_of,
    name_of,
    namespace_of,
    terminating,
    uid_of,
    with_metadata,
)
from master.informer import WorkQueue, run_workers
from master.pki.service_account.claims import Account, LegacyClaims, encode_legacy

TYPE = "kubernetes.io/service-account-token"
NAME_ANNOTATION = "kubernetes.io/service-account.name"
UID_ANNOTATION = "kubernetes.io/service-account.uid"
_BY_ACCOUNT = "service-account-token/account"
#: What may go wrong because somebody else was faster, or the namespace ends.
_PASSING = frozenset({403, 404, 409})


class ServiceAccountTokenController:
    """Reconciles token Secrets by namespace and name."""

    name = "serviceaccount-token"

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._keys = context.service_account_keys
        self._ca = b64encode(context.settings.ca_certificate.encode()).decode()
        self._workers = context.settings.workers
        self._accounts = context.informers.of(ServiceAccount)
        self._secrets = context.informers.of(Secret)
        self._secrets.add_index(_BY_ACCOUNT, _account_of)
        self._queue: WorkQueue[Key] = WorkQueue(self.name)
        #: Accounts of Secrets that are gone: each may still list its Secret.
        self._gone: dict[Key, str] = {}
        self._secrets.add_handler(self._on_secret)
        self._accounts.add_handler(self._on_account)

    async def run(self) -> None:
        await self._accounts.synced()
        await self._secrets.synced()
        await run_workers(self._queue, self._reconcile, workers=self._workers, name=self.name)

    def _on_secret(self, old: Secret | None, new: Secret | None) -> None:
        secret = new or old
        if secret is None or secret.type != TYPE:
            return
        if new is None:
            self._gone[key_of(secret)] = annotations_of(secret).get(NAME_ANNOTATION, "")
        self._queue.add(key_of(secret))

    def _on_account(self, old: ServiceAccount | None, new: ServiceAccount | None) -> None:
        account = new or old
        if account is not None:
            for secret in self._secrets.by_index(_BY_ACCOUNT, f"{namespace_of(account)}/{name_of(account)}"):
                self._queue.add(key_of(secret))

    async def _reconcile(self, key: Key) -> None:
        secret = self._secrets.get(*key)
        try:
            if secret is None:
                await self._forget(key)
            elif secret.type == TYPE and not terminating(secret):
                self._gone.pop(key, None)
                await self._keep(secret)
        except StatusError as error:
            if error.code not in _PASSING:
                raise

    async def _keep(self, secret: Secret) -> None:
        account = await self._account(secret)
        if account is None:
            options = DeleteOptions(uid=uid_of(secret))
            await self._client.delete(Secret, name_of(secret), namespace_of(secret), options)
        elif not terminating(account):
            await self._fill(secret, account)

    async def _account(self, secret: Secret) -> ServiceAccount | None:
        """The Secret's account; None when it is gone, or another has its name now. The API itself is asked before that."""
        name, uid = annotations_of(secret).get(NAME_ANNOTATION, ""), annotations_of(secret).get(UID_ANNOTATION, "")
        found = self._accounts.get(namespace_of(secret), name)
        if found is None:
            try:
                found = await self._client.get(ServiceAccount, name, namespace_of(secret))
            except StatusError as error:
                if error.code != 404:
                    raise
                return None
        return found if uid in ("", uid_of(found)) else None

    async def _fill(self, secret: Secret, account: ServiceAccount) -> None:
        data = dict(secret.data or {})
        data["ca.crt"] = self._ca
        if not data.get("namespace"):
            data["namespace"] = b64encode(namespace_of(secret).encode()).decode()
        if not data.get("token"):
            who = Account(namespace_of(account), name_of(account), uid_of(account))
            data["token"] = b64encode(self._keys.sign(encode_legacy(LegacyClaims(who, name_of(secret)))).encode()).decode()
        annotations = {**annotations_of(secret), NAME_ANNOTATION: name_of(account), UID_ANNOTATION: uid_of(account)}
        if data != (secret.data or {}) or annotations != annotations_of(secret):
            filled = msgspec.structs.replace(secret, data=data)
            await self._client.replace(with_metadata(filled, annotations=annotations))

    async def _forget(self, key: Key) -> None:
        """The Secret is gone: its account lists it no longer."""
        namespace, name = key
        account = self._accounts.get(namespace, self._gone.get(key, ""))
        if account is not None and any(reference.name == name for reference in account.secrets or ()):
            left = [reference for reference in account.secrets or () if reference.name != name]
            await self._client.replace(msgspec.structs.replace(account, secrets=left))
        self._gone.pop(key, None)


def _account_of(secret: Secret) -> Iterator[str]:
    if secret.type == TYPE:
        yield f"{namespace_of(secret)}/{annotations_of(secret).get(NAME_ANNOTATION, '')}"
