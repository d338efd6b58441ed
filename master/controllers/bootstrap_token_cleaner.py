"""The token cleaner: bootstrap tokens are deleted when they expire. (Expired ones authenticate nobody, deleted or not.)

Source: https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/
"""

from lightkube.resources.core_v1 import Secret

from master.client.errors import StatusError
from master.client.protocol import DeleteOptions
from master.controllers.bootstrap_tokens.secret import expiration, is_token
from master.controllers.context import ControllerContext
from master.controllers.objects.metadata import Key, key_of, uid_of
from master.informer import WorkQueue, run_workers

#: The longest wait at once; after it the clock is looked at again.
_MAX_WAIT_SECONDS = 24 * 3600.0


class BootstrapTokenCleaner:
    """Reconciles token Secrets of kube-system."""

    name = "token-cleaner"

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._clock = context.clock
        self._secrets = context.informers.of(Secret)
        self._queue: WorkQueue[Key] = WorkQueue(self.name)
        self._secrets.add_handler(self._on_secret)

    async def run(self) -> None:
        await self._secrets.synced()
        await run_workers(self._queue, self._reconcile, name=self.name)

    def _on_secret(self, old: Secret | None, new: Secret | None) -> None:
        if new is not None and is_token(new):
            self._queue.add(key_of(new))

    async def _reconcile(self, key: Key) -> None:
        secret = self._secrets.get(*key)
        ends = expiration(secret) if secret is not None and is_token(secret) else None
        if secret is None or ends is None:
            return
        left = (ends - self._clock.now()).total_seconds()
        if left > 0:
            self._queue.add_after(key, min(left, _MAX_WAIT_SECONDS))
            return
        try:
            await self._client.delete(Secret, key[1], key[0], DeleteOptions(uid=uid_of(secret)))
        except StatusError as error:
            if error.code not in (404, 409):
                raise
