"""CertificateSigningRequest's requestor: who creates a request is who asks for the certificate, whatever the body says.

Kubernetes' registry does this (pkg/registry/certificates/certificates/strategy.go); signers trust these fields. The last
of the mutating plugins, so that none can change it.
"""

from master.api.admission.protocol import AdmissionContext, AdmissionRequest, MutatingPlugin
from master.client.protocol import Json

ORDER = 900
_FIELDS = ("username", "uid", "groups", "extra")


class CertificateRequestor:
    async def admit(self, request: AdmissionRequest, obj: Json) -> None:
        resource = request.resource
        if (resource.group, resource.plural) != ("certificates.k8s.io", "certificatesigningrequests"):
            return
        if request.operation != "CREATE" or request.subresource:
            return
        spec = obj.setdefault("spec", {})
        for name in _FIELDS:
            spec.pop(name, None)
        user = request.user
        spec["username"] = user.name
        if user.uid:
            spec["uid"] = user.uid
        if user.groups:
            spec["groups"] = list(user.groups)
        if user.extra:
            spec["extra"] = {key: list(values) for key, values in user.extra.items()}


def mutating(_context: AdmissionContext) -> MutatingPlugin:
    return CertificateRequestor()
