"""The approver: a node's request for its own client certificate is approved when its requestor may ask for it.

As kube-controller-manager's csrapproving. Only kubernetes.io/kube-apiserver-client-kubelet is ever approved by itself:

    requestor is the node itself  ► may create certificatesigningrequests/selfnodeclient?
    anybody else                  ► may create certificatesigningrequests/nodeclient?

Source: https://kubernetes.io/docs/reference/access-authn-authz/kubelet-tls-bootstrapping/
"""

import msgspec
from lightkube.models.certificates_v1 import CertificateSigningRequestSpec
from lightkube.resources.certificates_v1 import CertificateSigningRequest

from master.client.errors import StatusError
from master.controllers.certificates import status
from master.controllers.context import ControllerContext, Requestor
from master.controllers.objects.metadata import meta, name_of
from master.informer import Terminal, WorkQueue, run_workers
from master.pki.certificate_requests import KUBELET_CLIENT, UnfitRequest, common_name, is_kubelet_client

_GROUP, _RESOURCE = "certificates.k8s.io", "certificatesigningrequests"


class CertificateApprover:
    """Reconciles requests by name."""

    name = "csrapproving"

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._access = context.access
        self._workers = context.settings.workers
        self._requests = context.informers.of(CertificateSigningRequest)
        self._queue: WorkQueue[str] = WorkQueue(self.name)
        self._requests.add_handler(self._on_request)

    async def run(self) -> None:
        await self._requests.synced()
        await run_workers(self._queue, self._reconcile, workers=self._workers, name=self.name)

    def _on_request(self, old: CertificateSigningRequest | None, new: CertificateSigningRequest | None) -> None:
        if new is not None and new.spec.signerName == KUBELET_CLIENT:
            self._queue.add(name_of(new))

    async def _reconcile(self, key: str) -> None:
        request = self._requests.get("", key)
        if request is None or request.spec.signerName != KUBELET_CLIENT or status.certificate(request):
            return
        if status.condition(request, status.APPROVED) or status.condition(request, status.DENIED):
            return
        try:
            asked = status.requested(request)
        except UnfitRequest as error:
            raise Terminal(f"request {key}: {error}") from error
        if not is_kubelet_client(asked, request.spec.usages or ()):
            return
        requestor = requestor_of(request.spec)
        message = self._permission(requestor, itself=requestor.name == common_name(asked))
        if message:
            await self._approve(request, message)

    def _permission(self, requestor: Requestor, *, itself: bool) -> str:
        """Why it is approved, or ""."""
        tried = [("nodeclient", "Auto approving kubelet client certificate after SubjectAccessReview.")]
        if itself:
            tried.insert(0, ("selfnodeclient", "Auto approving self kubelet client certificate after SubjectAccessReview."))
        for subresource, message in tried:
            if self._access.allowed(requestor, "create", group=_GROUP, resource=_RESOURCE, subresource=subresource):
                return message
        return ""

    async def _approve(self, request: CertificateSigningRequest, message: str) -> None:
        approved = {"type": status.APPROVED, "status": "True", "reason": "AutoApproved", "message": message}
        present = [msgspec.to_builtins(one) for one in status.conditions(request)]
        patch = {
            "metadata": {"resourceVersion": meta(request).resourceVersion},
            "status": {"conditions": [*present, approved]},
        }
        try:
            await self._client.patch(CertificateSigningRequest, name_of(request), "", patch, subresource="approval")
        except StatusError as error:
            if error.code != 404:
                raise


def requestor_of(spec: CertificateSigningRequestSpec) -> Requestor:
    """Who asked, as admission wrote it down."""
    return Requestor(spec.username or "", uid=spec.uid or "", groups=tuple(spec.groups or ()), extra=spec.extra or {})
