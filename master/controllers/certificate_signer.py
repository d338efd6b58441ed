"""The signer: approved requests to Kubernetes' own signers get their certificate from the cluster CA.

As kube-controller-manager's csrsigning controllers: a request that its signer may not sign gets the condition Failed.
Requests to other signers are others' to sign.
"""

from base64 import b64encode
from datetime import UTC, datetime

import msgspec
from cryptography.hazmat.primitives.serialization import Encoding
from lightkube.models.certificates_v1 import CertificateSigningRequestCondition, CertificateSigningRequestStatus
from lightkube.resources.certificates_v1 import CertificateSigningRequest

from master.client.errors import StatusError
from master.controllers.certificates import status
from master.controllers.context import ControllerContext
from master.controllers.objects.metadata import name_of, whole_seconds
from master.informer import WorkQueue, run_workers
from master.pki.certificate_requests import SIGNERS, UnfitRequest, check, lifetime


class CertificateSigner:
    """Reconciles requests by name."""

    name = "csrsigning"

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._authority = context.authority
        self._workers = context.settings.workers
        self._requests = context.informers.of(CertificateSigningRequest)
        self._queue: WorkQueue[str] = WorkQueue(self.name)
        self._requests.add_handler(self._on_request)

    async def run(self) -> None:
        await self._requests.synced()
        await run_workers(self._queue, self._reconcile, workers=self._workers, name=self.name)

    def _on_request(self, old: CertificateSigningRequest | None, new: CertificateSigningRequest | None) -> None:
        if new is not None and new.spec.signerName in SIGNERS:
            self._queue.add(name_of(new))

    async def _reconcile(self, key: str) -> None:
        request = self._requests.get("", key)
        if request is None or request.spec.signerName not in SIGNERS or status.certificate(request):
            return
        if status.condition(request, status.APPROVED) is None or status.condition(request, status.DENIED) is not None:
            return
        if status.condition(request, status.FAILED) is not None:
            return
        current = request.status or CertificateSigningRequestStatus()
        try:
            changed = msgspec.structs.replace(current, certificate=self._sign(request))
        except UnfitRequest as error:
            failed = CertificateSigningRequestCondition(
                type=status.FAILED,
                status="True",
                reason="SignerValidationFailure",
                message=str(error),
                lastUpdateTime=whole_seconds(datetime.now(UTC)),
            )
            changed = msgspec.structs.replace(current, conditions=[*status.conditions(request), failed])
        try:
            await self._client.replace_status(msgspec.structs.replace(request, status=changed))
        except StatusError as error:
            if error.code != 404:
                raise

    def _sign(self, request: CertificateSigningRequest) -> str:
        """The certificate, base64 of PEM. Raises UnfitRequest."""
        spec = request.spec
        usages = spec.usages or ()
        asked = status.requested(request)
        check(spec.signerName, asked, usages)
        issued = self._authority.issue_requested(asked, usages, lifetime(spec.expirationSeconds))
        return b64encode(issued.public_bytes(Encoding.PEM)).decode()
