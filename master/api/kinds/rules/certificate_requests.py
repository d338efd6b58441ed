"""Rules of CertificateSigningRequest and of its subresources (pkg/apis/certificates/validation, pkg/registry/certificates).

What may change where: the spec never; Approved and Denied only through `approval`; the certificate, and Failed, only through
`status`, and a certificate only once. What an object had already is tolerated.
"""

from base64 import b64decode
from binascii import Error as Base64Error
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

from master.api.kinds.rules.field_errors import duplicate, forbidden, invalid, not_supported, required
from master.client.errors import Cause
from proto.k8s.time import format_time

Json = dict[str, Any]

APPROVED, DENIED, FAILED = "Approved", "Denied", "Failed"
_DECISIONS = (APPROVED, DENIED)
_ONLY_TRUE = (APPROVED, DENIED, FAILED)


def keep_request(obj: Json, old: Json) -> None:
    """The spec as it was created."""
    if "spec" in old:
        obj["spec"] = deepcopy(old["spec"])
    else:
        obj.pop("spec", None)


def prepare_approval(obj: Json, old: Json) -> None:
    """An update of `approval` changes conditions only."""
    conditions = (obj.get("status") or {}).get("conditions") or []
    _set_times(conditions, old)
    keep_request(obj, old)
    status = deepcopy(old.get("status") or {})
    status.pop("conditions", None)
    obj["status"] = {**status, "conditions": conditions} if conditions else status


def prepare_status(obj: Json, old: Json) -> None:
    """An update of `status` keeps each decision as it was; one that adds or removes a decision is refused by validation."""
    keep_request(obj, old)
    conditions = (obj.get("status") or {}).get("conditions") or []
    for kind in _DECISIONS:
        places = [index for index, condition in enumerate(conditions) if condition.get("type") == kind]
        former = _of_type(old, kind)
        if len(places) == len(former):
            for index, condition in zip(places, former, strict=True):
                conditions[index] = deepcopy(condition)
    _set_times(conditions, old)


def validate_conditions(obj: Json, old: Json | None) -> list[Cause]:
    conditions = (obj.get("status") or {}).get("conditions") or []
    before = [condition.get("type") or "" for condition in _conditions(old)]
    tolerates_both = {APPROVED, DENIED} <= set(before)
    tolerates_duplicates = len(before) != len(set(before))
    causes: list[Cause] = []
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        path = f"status.conditions[{index}]"
        kind, status = condition.get("type") or "", condition.get("status") or ""
        if not kind and "" not in before:
            causes.append(required(f"{path}.type"))
        allowed = ("True",) if kind in _ONLY_TRUE else ("False", "True", "Unknown")
        if not status:
            causes.append(required(f"{path}.status"))
        elif status not in allowed:
            causes.append(not_supported(f"{path}.status", status, allowed))
        other = {APPROVED: DENIED, DENIED: APPROVED}.get(kind)
        if other in seen and not tolerates_both:
            causes.append(invalid(f"{path}.type", kind, "Approved and Denied conditions are mutually exclusive"))
        if kind in seen and not tolerates_duplicates:
            causes.append(duplicate(f"{path}.type", kind))
        seen.add(kind)
    return causes


def validate_changes(obj: Json, old: Json, *, may_decide: bool = False, may_issue: bool = False) -> list[Cause]:
    """What this write may not change. `may_decide`: it is of `approval`; `may_issue`: it is of `status`."""
    causes: list[Cause] = []
    for kind in _ONLY_TRUE:
        now, before = _of_type(obj, kind), _of_type(old, kind)
        if len(now) < len(before):
            causes.append(forbidden("status.conditions", f'updates may not remove a condition of type "{kind}"'))
        elif kind in _DECISIONS and not may_decide:
            if len(now) > len(before):
                causes.append(forbidden("status.conditions", f'updates may not add a condition of type "{kind}"'))
            elif now != before:
                causes.append(forbidden("status.conditions", f'updates may not modify a condition of type "{kind}"'))
    issued, before_issued = _certificate(obj), _certificate(old)
    if issued != before_issued:
        if not may_issue:
            causes.append(forbidden("status.certificate", "updates may not set certificate content"))
        elif before_issued:
            causes.append(forbidden("status.certificate", "updates may not modify existing certificate content"))
    return causes


def validate_certificate(obj: Json, old: Json | None) -> list[Cause]:
    """Errors of an issued certificate: PEM blocks CERTIFICATE, without headers, each one certificate."""
    encoded = _certificate(obj)
    if not encoded or (old is not None and encoded == _certificate(old)):
        return []
    wrong = _wrong_certificate(encoded)
    return [invalid("status.certificate", "<certificate data>", wrong)] if wrong else []


def validate_request(encoded: str) -> list[Cause]:
    """Errors of `spec.request`: base64 of a PEM block CERTIFICATE REQUEST, a PKCS#10 request signed by its own key."""
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    path = "spec.request"
    try:
        pem = b64decode(encoded, validate=True)
    except (Base64Error, ValueError):
        pem = b""
    if b"-----BEGIN CERTIFICATE REQUEST-----" not in pem and b"-----BEGIN NEW CERTIFICATE REQUEST-----" not in pem:
        return [invalid(path, encoded, "PEM block type must be CERTIFICATE REQUEST")]
    try:
        request = x509.load_pem_x509_csr(pem)
        if not request.is_signature_valid:
            return [invalid(path, encoded, "x509: the signature of the request does not verify")]
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as error:
        return [invalid(path, encoded, f"x509: the request cannot be read: {error}")]
    return []


def _wrong_certificate(encoded: str) -> str:
    from cryptography import x509

    try:
        pem = b64decode(encoded, validate=True)
    except (Base64Error, ValueError):
        return "must contain at least one CERTIFICATE PEM block"
    begins = [line for line in pem.splitlines() if line.startswith(b"-----BEGIN ")]
    if not begins:
        return "must contain at least one CERTIFICATE PEM block"
    for line in begins:
        found = line.removeprefix(b"-----BEGIN ").removesuffix(b"-----").decode(errors="replace")
        if found != "CERTIFICATE":
            return f'only CERTIFICATE PEM blocks are allowed, found "{found}"'
    if b":" in pem:
        return "no PEM block headers are permitted"
    try:
        x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        return f"x509: the certificate cannot be read: {error}"
    return ""


def _set_times(conditions: "list[Json]", old: Json) -> None:
    """Times that the client left out: now, or when the same condition came to its status."""
    now = format_time(datetime.now(UTC))
    for condition in conditions:
        if not condition.get("lastUpdateTime"):
            condition["lastUpdateTime"] = now
        if not condition.get("lastTransitionTime"):
            condition["lastTransitionTime"] = next(
                (
                    former["lastTransitionTime"]
                    for former in _of_type(old, condition.get("type") or "")
                    if former.get("status") == condition.get("status") and former.get("lastTransitionTime")
                ),
                now,
            )


def _conditions(obj: Json | None) -> "list[Json]":
    conditions: list[Json] = ((obj or {}).get("status") or {}).get("conditions") or []
    return conditions


def _of_type(obj: Json, kind: str) -> "list[Json]":
    return [condition for condition in _conditions(obj) if (condition.get("type") or "") == kind]


def _certificate(obj: Json) -> str:
    certificate: str = (obj.get("status") or {}).get("certificate") or ""
    return certificate
