"""CertificateSigningRequest and what its subresources may change."""

from base64 import b64encode
from copy import deepcopy
from datetime import UTC, datetime
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from master.api.kinds.certificate_signing_request import KIND
from master.api.registry.strategies.approval import Approval
from master.api.registry.strategies.whole import Status
from master.pki.authority import Authority, generate_key
from tests.unit.master.api.kinds.made import Json, created, errors, updated

APPROVED = {"type": "Approved", "status": "True", "reason": "r"}
DENIED = {"type": "Denied", "status": "True", "reason": "r"}


@cache
def request() -> str:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bob")])
    built = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(Ed25519PrivateKey.generate(), None)
    return b64encode(built.public_bytes(Encoding.PEM)).decode()


@cache
def certificate() -> str:
    issued = Authority.generate("test").issue_client(generate_key().public_key(), "bob", ())
    return b64encode(issued.public_bytes(Encoding.PEM)).decode()


def csr(**spec: object) -> Json:
    wanted = {"request": request(), "signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"], **spec}
    obj = created(KIND, {"spec": wanted, "status": {"conditions": [APPROVED]}})
    obj["metadata"]["resourceVersion"] = "1"
    return obj


def approved(old: Json, *conditions: Json) -> tuple[Json, list[str]]:
    body = deepcopy(old)
    body["status"] = {**body.get("status", {}), "conditions": list(deepcopy(conditions))}
    obj = Approval().merge(KIND, old, body)
    return obj, [f"{cause.field}: {cause.message}" for cause in Approval().validate(KIND, obj, old)]


def with_status(old: Json, **status: object) -> tuple[Json, list[str]]:
    body = deepcopy(old)
    body["status"] = {**body.get("status", {}), **status}
    obj = Status().merge(KIND, old, body)
    return obj, [f"{cause.field}: {cause.message}" for cause in Status().validate(KIND, obj, old)]


def test_a_new_request_is_valid_and_never_approved() -> None:
    obj = csr()
    assert errors(KIND, obj) == []
    assert obj["status"] == {}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"request": "eA=="}, 'spec.request: Invalid value: "eA==": PEM block type must be CERTIFICATE REQUEST'),
        ({"usages": []}, "spec.usages: Required value"),
        ({"usages": ["any", "any"]}, 'spec.usages[1]: Duplicate value: "any"'),
        ({"signerName": ""}, "spec.signerName: Required value"),
        (
            {"signerName": "x"},
            'spec.signerName: Invalid value: "x": must be a fully qualified domain and path of the form '
            "'example.com/signer-name'",
        ),
        (
            {"signerName": "kubernetes.io/legacy-unknown"},
            'spec.signerName: Invalid value: "kubernetes.io/legacy-unknown": the legacy signerName is not allowed via this '
            "API version",
        ),
        (
            {"expirationSeconds": 5},
            "spec.expirationSeconds: Invalid value: 5: may not specify a duration less than 600 seconds (10 minutes)",
        ),
    ],
)
def test_a_wrong_request_is_refused(spec: Json, expected: str) -> None:
    assert errors(KIND, csr(**spec)) == [expected]


def test_an_unknown_usage_and_a_tampered_request_are_refused() -> None:
    assert errors(KIND, csr(usages=["fly"]))[0].startswith(
        'spec.usages[0]: Unsupported value: "fly": supported values: "any",'
    )
    pem = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(Ed25519PrivateKey.generate(), None)
    raw = bytearray(pem.public_bytes(Encoding.DER))
    raw[-1] ^= 1
    text = "-----BEGIN CERTIFICATE REQUEST-----\n" + b64encode(bytes(raw)).decode() + "\n-----END CERTIFICATE REQUEST-----\n"
    assert "does not verify" in errors(KIND, csr(request=b64encode(text.encode()).decode()))[0]


def test_an_update_changes_neither_spec_nor_status() -> None:
    old, _ = approved(csr(), APPROVED)
    changed = updated(KIND, old, spec={"request": "eA=="}, status={})
    assert (changed["spec"], changed["status"]) == (old["spec"], old["status"])
    assert errors(KIND, changed, old) == []


def test_approval_sets_conditions_with_their_times_and_nothing_else() -> None:
    obj, wrong = approved(csr(), APPROVED)
    assert wrong == []
    (condition,) = obj["status"]["conditions"]
    assert condition["lastUpdateTime"] == condition["lastTransitionTime"] != ""
    sneaky = deepcopy(obj)
    sneaky["status"]["certificate"] = certificate()
    sneaky["spec"]["username"] = "admin"
    merged = Approval().merge(KIND, obj, sneaky)
    assert "certificate" not in merged["status"]
    assert merged["spec"] == obj["spec"]


def test_a_decision_is_final_and_single() -> None:
    old, _ = approved(csr(), APPROVED)
    assert approved(old)[1] == ['status.conditions: Forbidden: updates may not remove a condition of type "Approved"']
    expected = 'status.conditions[1].type: Invalid value: "Denied": Approved and Denied conditions are mutually exclusive'
    assert approved(csr(), APPROVED, DENIED)[1] == [expected]
    wrong = approved(csr(), {"type": "Approved", "status": "False"})[1]
    assert wrong == ['status.conditions[0].status: Unsupported value: "False": supported values: "True"']


def test_status_takes_a_certificate_once() -> None:
    old, _ = approved(csr(), APPROVED)
    issued, wrong = with_status(old, certificate=certificate())
    assert wrong == []
    assert KIND.row(issued, datetime.now(UTC))[-1] == "Approved,Issued"
    other = Authority.generate("other").issue_client(generate_key().public_key(), "bob", ()).public_bytes(Encoding.PEM)
    _, wrong = with_status(issued, certificate=b64encode(other).decode())
    assert wrong == ["status.certificate: Forbidden: updates may not modify existing certificate content"]
    _, wrong = with_status(old, certificate="eA==")
    assert wrong[0].endswith('"<certificate data>": must contain at least one CERTIFICATE PEM block')
    _, wrong = with_status(old, certificate=request())
    assert wrong[0].endswith('only CERTIFICATE PEM blocks are allowed, found "CERTIFICATE REQUEST"')


def test_status_may_fail_a_request_but_not_decide() -> None:
    failed = {"type": "Failed", "status": "True", "reason": "x"}
    assert with_status(csr(), conditions=[failed])[1] == []
    wrong = with_status(csr(), conditions=[APPROVED])[1]
    assert wrong == ['status.conditions: Forbidden: updates may not add a condition of type "Approved"']


def test_a_request_s_row_and_selector() -> None:
    obj = csr(expirationSeconds=3600, username="bob")
    row = KIND.row(obj, datetime.now(UTC))
    assert row == ["x", "<unknown>", "kubernetes.io/kube-apiserver-client", "bob", "60m", "Pending"]
    assert KIND.field_selectors["spec.signerName"](obj) == "kubernetes.io/kube-apiserver-client"
