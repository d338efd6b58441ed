"""APIService: a group and version that is served, always by this API itself; aggregated servers are refused (ADR 18).

`master.api.bootstrap` makes those of the built-in groups, and a controller those of CustomResourceDefinitions.
"""

from datetime import UTC, datetime

from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import forbidden, invalid, not_supported, required
from master.api.kinds.rules.lifecycle import keep_status, only_status
from master.api.kinds.rules.metadata import validate_metadata
from master.api.printers import api_service as printer
from master.client.errors import Cause
from proto.k8s.time import format_time

GROUP = "apiregistration.k8s.io"
_MAX_GROUP_PRIORITY, _MAX_VERSION_PRIORITY = 20000, 1000


def _prepare_for_create(obj: Json) -> None:
    available = {
        "type": "Available",
        "status": "True",
        "reason": "Local",
        "message": "Local APIServices are always available",
        "lastTransitionTime": format_time(datetime.now(UTC)),
    }
    obj["status"] = {"conditions": [available]}


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    spec = obj.get("spec") or {}
    group, version = spec.get("group") or "", spec.get("version") or ""

    def name_rule(name: str) -> list[str]:
        wrong = names.path_segment(name)
        required_name = f"{version}.{group}"
        if wrong or name == required_name:
            return wrong
        return [f'must be `spec.version+"."+spec.group`: "{required_name}"']

    causes = validate_metadata(obj, old, name_rule=name_rule, namespaced=False)
    if old is not None:
        name = obj["metadata"].get("name") or ""
        causes.extend(invalid("metadata.name", name, why) for why in name_rule(name))
    if not group and version != "v1":
        causes.append(required("spec.group", "only v1 may have an empty group and it better be legacy kube"))
    if group:
        causes.extend(invalid("spec.group", group, why) for why in names.dns1123_subdomain(group))
    causes.extend(invalid("spec.version", version, why) for why in names.dns1035_label(version))
    for field, limit in (("groupPriorityMinimum", _MAX_GROUP_PRIORITY), ("versionPriority", _MAX_VERSION_PRIORITY)):
        value = spec.get(field) or 0
        if not 0 < value <= limit:
            causes.append(invalid(f"spec.{field}", value, f"must be positive and less than {limit}"))
    if spec.get("service") is not None:
        why = "aggregated API servers are not supported: this API serves all its groups itself"
        causes.append(forbidden("spec.service", why))
    if ca := spec.get("caBundle"):
        causes.append(invalid("spec.caBundle", f"{len(ca) * 3 // 4} bytes", "local APIServices may not have a caBundle"))
    if spec.get("insecureSkipTLSVerify"):
        why = "local APIServices may not have insecureSkipTLSVerify"
        causes.append(invalid("spec.insecureSkipTLSVerify", True, why))
    return causes


def _validate_status(obj: Json, old: Json | None) -> list[Cause]:
    causes: list[Cause] = []
    for index, condition in enumerate((obj.get("status") or {}).get("conditions") or ()):
        status, choices = condition.get("status") or "", ("True", "False", "Unknown")
        if status not in choices:
            causes.append(not_supported(f"status.conditions[{index}].status", status, choices, in_order=True))
    return causes


KIND = Kind(
    group=GROUP,
    version="v1",
    kind="APIService",
    plural="apiservices",
    singular="apiservice",
    definition="io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIService",
    categories=("api-extensions",),
    namespaced=False,
    subresources=frozenset({"status"}),
    validate=_validate,
    validate_status=_validate_status,
    prepare_for_create=_prepare_for_create,
    prepare_for_update=keep_status,
    prepare_for_status_update=only_status,
    unconditional_update=False,
    columns=printer.COLUMNS,
    row=printer.row,
)
