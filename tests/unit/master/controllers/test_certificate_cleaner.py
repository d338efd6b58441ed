"""Which certificate requests are done with."""

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from lightkube.resources.certificates_v1 import CertificateSigningRequest

from master.controllers.certificate_cleaner import is_done_with
from master.pki.authority import Authority, generate_key

NOW = datetime.now(UTC)
ISSUED = b64encode(
    Authority.generate("ca").issue_client(generate_key().public_key(), "jane").public_bytes(Encoding.PEM)
).decode()


def request(*conditions: str, age: float, certificate: str = "", since: float = 0) -> CertificateSigningRequest:
    """`age` and `since` (of the conditions) in hours."""
    at = (NOW - timedelta(hours=since)).replace(microsecond=0)
    status: dict[str, Any] = {"conditions": [{"type": one, "status": "True", "lastUpdateTime": at} for one in conditions]}
    if certificate:
        status["certificate"] = certificate
    created = (NOW - timedelta(hours=age)).replace(microsecond=0)
    spec = {"request": "", "signerName": "kubernetes.io/kube-apiserver-client"}
    manifest = {"metadata": {"name": "r", "creationTimestamp": created}, "spec": spec, "status": status}
    return msgspec.convert(manifest, CertificateSigningRequest)


@pytest.mark.parametrize(
    ("found", "done"),
    [
        (request(age=23), False),
        (request(age=25), True),
        (request("Approved", age=30, since=2), False),
        (request("Approved", age=30, since=2, certificate=ISSUED), True),
        (request("Approved", age=30, since=0.5, certificate=ISSUED), False),
        (request("Denied", age=30, since=2), True),
        (request("Denied", age=30, since=0.5), False),
        (request("Approved", "Failed", age=30, since=2), True),
    ],
)
def test_requests_go_an_hour_after_they_ended_or_a_day_after_nobody_looked(
    found: CertificateSigningRequest, done: bool
) -> None:
    assert is_done_with(found, NOW) is done


def test_an_expired_certificate_s_request_goes_at_once() -> None:
    found = request("Approved", age=1, since=0.1, certificate=ISSUED)
    assert not is_done_with(found, NOW)
    assert is_done_with(found, NOW + timedelta(days=366))
