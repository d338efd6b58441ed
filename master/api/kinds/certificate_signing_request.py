"""CertificateSigningRequest: asks a signer for a certificate. Admission fills in who asks; a controller signs."""

from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules import names
from master.api.kinds.rules.certificate_requests import (
    keep_request,
    prepare_status,
    validate_certificate,
    validate_changes,
    validate_conditions,
    validate_request,
)
from master.api.kinds.rules.field_errors import duplicate, invalid, not_supported, required, too_long
from master.api.kinds.rules.lifecycle import keep_status, only_status, without_status
from master.api.kinds.rules.metadata import validate_metadata
from master.api.printers import certificate_signing_request as printer
from master.client.errors import Cause

USAGES = frozenset(
    {
        "signing", "digital signature", "content commitment", "key encipherment", "key agreement", "data encipherment",
        "cert sign", "crl sign", "encipher only", "decipher only", "any", "server auth", "client auth", "code signing",
        "email protection", "s/mime", "ipsec end system", "ipsec tunnel", "ipsec user", "timestamping", "ocsp signing",
        "microsoft sgc", "netscape sgc",
    }
)  # fmt: skip
_LEGACY_SIGNER = "kubernetes.io/legacy-unknown"
_SHORTEST_SECONDS = 600


def _prepare_for_update(obj: Json, old: Json) -> None:
    keep_request(obj, old)
    keep_status(obj, old)


def _prepare_for_status_update(obj: Json, old: Json) -> None:
    only_status(obj, old)
    prepare_status(obj, old)


def _any_name(name: str) -> list[str]:
    return []


def validate_object(obj: Json, old: Json | None) -> list[Cause]:
    """Errors of the object as it is, whatever the write; for `approval` too."""
    causes = validate_metadata(obj, old, name_rule=_any_name, namespaced=False)
    if old is None or obj.get("spec") != old.get("spec"):
        causes.extend(_validate_spec(obj.get("spec") or {}))
    causes.extend(validate_conditions(obj, old))
    causes.extend(validate_certificate(obj, old))
    return causes


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_object(obj, old)
    return causes if old is None else causes + validate_changes(obj, old)


def _validate_status(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_object(obj, old)
    return causes if old is None else causes + validate_changes(obj, old, may_issue=True)


def _validate_spec(spec: Json) -> list[Cause]:
    causes = validate_request(spec.get("request") or "")
    usages = spec.get("usages") or ()
    if not usages:
        causes.append(required("spec.usages"))
    for index, usage in enumerate(usages):
        if usage not in USAGES:
            causes.append(not_supported(f"spec.usages[{index}]", usage, USAGES))
        if usage in usages[:index]:
            causes.append(duplicate(f"spec.usages[{index}]", usage))
    signer = spec.get("signerName") or ""
    if signer == _LEGACY_SIGNER:
        causes.append(invalid("spec.signerName", signer, "the legacy signerName is not allowed via this API version"))
    else:
        causes.extend(_validate_signer(signer, "spec.signerName"))
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < _SHORTEST_SECONDS:
        why = "may not specify a duration less than 600 seconds (10 minutes)"
        causes.append(invalid("spec.expirationSeconds", seconds, why))
    return causes


def _validate_signer(signer: str, path: str) -> list[Cause]:
    """A signer's name: a domain, a slash, a path of subdomains."""
    if not signer:
        return [required(path)]
    domain, slash, rest = signer.partition("/")
    if not slash or "/" in rest:
        return [invalid(path, signer, "must be a fully qualified domain and path of the form 'example.com/signer-name'")]
    causes: list[Cause] = []
    if len(domain) > names.DNS1123_SUBDOMAIN_MAX:
        causes.append(too_long(path, names.DNS1123_SUBDOMAIN_MAX))
    first = domain.split(".")[0]
    causes.extend(invalid(path, domain, f'validating label "{first}": {why}') for why in names.dns1123_label(first))
    if "." not in domain:
        causes.append(invalid(path, domain, "should be a domain with at least two segments separated by dots"))
    first = rest.split(".")[0]
    causes.extend(invalid(path, rest, f'validating label "{first}": {why}') for why in names.dns1123_subdomain(first))
    limit = 2 * names.DNS1123_SUBDOMAIN_MAX + names.DNS1123_LABEL_MAX + 2
    if len(signer) > limit:
        causes.append(too_long(path, limit))
    return causes


KIND = Kind(
    group="certificates.k8s.io",
    version="v1",
    kind="CertificateSigningRequest",
    plural="certificatesigningrequests",
    singular="certificatesigningrequest",
    definition="io.k8s.api.certificates.v1.CertificateSigningRequest",
    short_names=("csr",),
    namespaced=False,
    subresources=frozenset({"approval", "status"}),
    validate=_validate,
    validate_status=_validate_status,
    prepare_for_create=without_status,
    prepare_for_update=_prepare_for_update,
    prepare_for_status_update=_prepare_for_status_update,
    columns=printer.COLUMNS,
    row=printer.row,
    field_selectors={"spec.signerName": lambda obj: (obj.get("spec") or {}).get("signerName", "")},
)
