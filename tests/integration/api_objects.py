"""A valid object of each kind, rich in fields, as a client sends it: what tests mutilate and send again (api_objects.yaml)."""

import base64
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from master.api.kinds.kind import Kind

Json = dict[str, Any]


@cache
def _examples() -> dict[tuple[str, str], Json]:
    documents = yaml.safe_load_all((Path(__file__).parent / "api_objects.yaml").read_text())
    examples = [*documents, _certificate_signing_request()]
    return {(example["apiVersion"], example["kind"]): example for example in examples}


def example(kind: Kind) -> Json | None:
    """The object of a kind, its metadata empty but for a name that the kind asks for. Not the caller's own."""
    return _examples().get((kind.api_version, kind.kind))


def _certificate_signing_request() -> Json:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "jane")])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(Ed25519PrivateKey.generate(), None)
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "spec": {
            "request": base64.b64encode(request.public_bytes(Encoding.PEM)).decode(),
            "signerName": "kubernetes.io/kube-apiserver-client",
            "usages": ["client auth"],
        },
    }
