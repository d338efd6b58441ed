"""The cleaner: certificate requests that are done with are removed, so that those which come by themselves do not pile up.

    issued, denied or failed     an hour after that
    pending                      a day after its creation
    certificate has expired      at once

As kube-controller-manager's csrcleaner; it looks once per period.
"""

import asyncio
from datetime import datetime, timedelta

from lightkube.resources.certificates_v1 import CertificateSigningRequest

from master.client.errors import StatusError
from master.client.protocol import DeleteOptions
from master.controllers.certificates import status
from master.controllers.context import ControllerContext
from master.controllers.objects.metadata import created, name_of, uid_of

PERIOD_SECONDS = 3600.0
_DONE = timedelta(hours=1)
_PENDING = timedelta(hours=24)


class CertificateCleaner:
    """Looks at all requests once per period."""

    name = "csrcleaner"

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._clock = context.clock
        self._requests = context.informers.of(CertificateSigningRequest)

    async def run(self) -> None:
        await self._requests.synced()
        while True:
            await self.clean()
            await asyncio.sleep(PERIOD_SECONDS)

    async def clean(self) -> None:
        """One look at all requests. What cannot be deleted now is tried again by the next."""
        now = self._clock.now()
        for request in self._requests.list():
            if is_done_with(request, now):
                await self._delete(request)

    async def _delete(self, request: CertificateSigningRequest) -> None:
        try:
            await self._client.delete(CertificateSigningRequest, name_of(request), "", DeleteOptions(uid=uid_of(request)))
        except StatusError as error:
            if error.code not in (404, 409, 503):
                raise


def is_done_with(request: CertificateSigningRequest, now: datetime) -> bool:
    """Whether nobody needs the request any more. Pure."""
    if not status.conditions(request):
        return created(request) + _PENDING < now
    issued = status.issued(request)
    if issued is not None and issued.not_valid_after_utc < now:
        return True
    for kind in (status.APPROVED, status.DENIED, status.FAILED):
        found = status.condition(request, kind)
        if found is None or (kind == status.APPROVED and issued is None):
            continue
        at = found.lastUpdateTime or found.lastTransitionTime
        if at is not None and at + _DONE < now:
            return True
    return False
