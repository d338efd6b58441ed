"""The names of a definition: plural, singular, kind, listKind, shortNames, categories; and groups that are protected."""

from collections.abc import Iterable
from typing import Any

from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import invalid, keyed, required
from master.client.errors import Cause

Json = dict[str, Any]

APPROVAL = "api-approved.kubernetes.io"
_PROPOSAL = "see https://github.com/kubernetes/enhancements/pull/1111"
_MIXED_CASE = "may have mixed case, but should otherwise match: "


def validate_names(found: Json, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for field in ("plural", "singular"):
        value = found.get(field) or ""
        causes += [invalid(f"{path}.{field}", value, ",".join(wrong)) for wrong in _wrong(value) if value]
    for field in ("kind", "listKind"):
        value = found.get(field) or ""
        causes += [
            invalid(f"{path}.{field}", value, _MIXED_CASE + ",".join(wrong)) for wrong in _wrong(value.lower()) if value
        ]
    for index, short in enumerate(found.get("shortNames") or ()):
        causes += [invalid(f"{path}.shortNames[{index}]", short, ",".join(wrong)) for wrong in _wrong(short)]
    if found.get("kind") and found.get("kind") == found.get("listKind"):
        causes.append(invalid(f"{path}.listKind", found["listKind"], "kind and listKind may not be the same"))
    for index, category in enumerate(found.get("categories") or ()):
        causes += [invalid(f"{path}.categories[{index}]", category, ",".join(wrong)) for wrong in _wrong(category)]
    return causes


def _wrong(value: str) -> Iterable[list[str]]:
    """The rule's complaints as one group, or nothing."""
    wrong = names.dns1035_label(value)
    return (wrong,) if wrong else ()


def validate_required_names(found: Json, path: str) -> list[Cause]:
    return [required(f"{path}.{field}") for field in ("plural", "singular", "kind", "listKind") if not found.get(field)]


def validate_approval(obj: Json, old: Json | None) -> list[Cause]:
    """Groups of the Kubernetes community ask for an annotation that names their review."""
    group = obj["spec"].get("group") or ""
    if not (group in ("k8s.io", "kubernetes.io") or group.endswith((".k8s.io", ".kubernetes.io"))):
        return []
    value = (obj["metadata"].get("annotations") or {}).get(APPROVAL) or ""
    before = None if old is None else (old["metadata"].get("annotations") or {}).get(APPROVAL) or ""
    state = _approval(value)
    if before is not None and _approval(before) == state:
        return []
    path = keyed("metadata.annotations", APPROVAL)
    if state == "missing":
        return [required(path, f'protected groups must have approval annotation "{APPROVAL}", {_PROPOSAL}')]
    if state == "invalid":
        why = f'with either a URL or a reason starting with "unapproved", {_PROPOSAL}'
        return [invalid(path, value, f'protected groups must have approval annotation "{APPROVAL}" {why}')]
    return []


def _approval(value: str) -> str:
    if not value:
        return "missing"
    if value.startswith("unapproved"):
        return "bypassed"
    scheme, colon, rest = value.partition("://")
    return "approved" if colon and scheme and rest.partition("/")[0] else "invalid"
