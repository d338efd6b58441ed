"""Job: pods that run to their end, so many times. What it is finished by never changes; its selector is made of its uid."""

from typing import Any

from master.api.kinds.kind import Json, Kind
from master.api.kinds.pod_spec.defaults import default_pod_spec
from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import invalid, keyed, required
from master.api.kinds.rules.job_spec import default_failure_policy, default_job_spec, validate_job_spec
from master.api.kinds.rules.job_status import validate_job_status
from master.api.kinds.rules.lifecycle import first_generation, next_generation, only_status
from master.api.kinds.rules.metadata import (
    immutable,
    selector_matches,
    validate_label_selector,
    validate_metadata,
)
from master.api.kinds.rules.name_warnings import warn_of_workload_name
from master.api.kinds.rules.pod_template import validate_selected
from master.api.kinds.rules.semantic import semantic
from master.api.printers import job as printer
from master.client.errors import Cause

CONTROLLER_UID = "batch.kubernetes.io/controller-uid"
JOB_NAME = "batch.kubernetes.io/job-name"
#: What they were called before labels of Kubernetes had its domain; still set.
_LEGACY_UID, _LEGACY_NAME = "controller-uid", "job-name"
_IMMUTABLE = ("selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy")
#: What a queue may change in the template of a suspended job that never started.
_SCHEDULING = ("nodeSelector", "tolerations", "schedulingGates")


def _default(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    default_job_spec(spec)
    default_failure_policy(spec)
    template = spec.setdefault("template", {})
    default_pod_spec(template.setdefault("spec", {}))
    labels = template.setdefault("metadata", {}).get("labels")
    if labels and not obj["metadata"].get("labels"):
        obj["metadata"]["labels"] = dict(labels)


def _prepare_for_create(obj: Json) -> None:
    first_generation(obj)
    spec = obj.setdefault("spec", {})
    if not spec.get("manualSelector"):
        _generate_selector(obj, spec)


def _generate_selector(obj: Json, spec: Json) -> None:
    """Labels that no other job's pods have. What the client set itself stays, and is refused by validation."""
    name, uid = obj["metadata"].get("name", ""), obj["metadata"].get("uid", "")
    labels = spec.setdefault("template", {}).setdefault("metadata", {}).setdefault("labels", {})
    for key, value in ((_LEGACY_NAME, name), (JOB_NAME, name), (_LEGACY_UID, uid), (CONTROLLER_UID, uid)):
        labels.setdefault(key, value)
    spec.setdefault("selector", {}).setdefault("matchLabels", {}).setdefault(CONTROLLER_UID, uid)


def _prepare_for_update(obj: Json, old: Json) -> None:
    # What the client left to its default is no change.
    _default(obj)
    next_generation(obj, old)


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_metadata(obj, old, name_rule=names.dns1123_subdomain)
    spec = obj.get("spec") or {}
    selector = spec.get("selector")
    if not spec.get("manualSelector") and selector is not None:
        causes.extend(_validate_generated(obj, selector))
    causes.extend(validate_job_spec(spec, "spec"))
    if selector is None:
        causes.append(required("spec.selector"))
    else:
        causes.extend(validate_label_selector(selector, "spec.selector"))
        causes.extend(validate_selected(selector, spec.get("template") or {}, "spec.template"))
    if old is None:
        causes.extend(_validate_host_name(obj["metadata"].get("name") or "", spec))
    else:
        causes.extend(_validate_update(spec, old))
    return causes


def _validate_generated(obj: Json, selector: Json) -> list[Cause]:
    name, uid = obj["metadata"].get("name") or "", obj["metadata"].get("uid") or ""
    expected = {_LEGACY_UID: uid, _LEGACY_NAME: name, CONTROLLER_UID: uid, JOB_NAME: name}
    labels = (((obj.get("spec") or {}).get("template") or {}).get("metadata") or {}).get("labels") or {}
    causes: list[Cause] = []
    for key, value in expected.items():
        path = keyed("spec.template.metadata.labels", key)
        if key not in labels:
            causes.append(required(path, f"must be '{value}'"))
        elif labels[key] != value:
            causes.append(invalid(path, labels, f"must be '{value}'"))
    if not selector_matches(selector, expected):
        causes.append(invalid("spec.selector", selector, "`selector` not auto-generated"))
    return causes


def _validate_host_name(name: str, spec: Json) -> list[Cause]:
    """Pods of an indexed job have its name and their index as host name."""
    completions = spec.get("completions")
    if spec.get("completionMode") != "Indexed" or not completions or completions < 0:
        return []
    longest = f"{name}-{completions - 1}"
    if not names.dns1123_label(longest):
        return []
    return [invalid("metadata.name", name, f"will not able to create pod with invalid DNS label: {longest}")]


def _validate_update(spec: Json, old: Json) -> list[Cause]:
    before = old.get("spec") or {}
    causes = _validate_completions(spec, before)
    for field in _IMMUTABLE:
        causes.extend(immutable(spec.get(field), before.get(field), f"spec.{field}"))
    template, was = spec.get("template") or {}, before.get("template") or {}
    if before.get("suspend") and not (old.get("status") or {}).get("startTime"):
        same = _without_scheduling(template) == _without_scheduling(was)
    else:
        same = semantic(template) == semantic(was)
    if not same:
        causes.append(invalid("spec.template", template, "field is immutable"))
    return causes


def _validate_completions(spec: Json, before: Json) -> list[Cause]:
    completions = spec.get("completions")
    if completions == before.get("completions"):
        return []
    if spec.get("completionMode") != "Indexed":
        return [invalid("spec.completions", completions, "field is immutable")]
    if completions is None or completions == spec.get("parallelism"):
        return []
    return [invalid("spec.completions", completions, "can only be modified in tandem with spec.parallelism")]


def _without_scheduling(template: Json) -> Any:
    spec = {key: value for key, value in (template.get("spec") or {}).items() if key not in _SCHEDULING}
    if spec.get("affinity"):
        spec["affinity"] = {key: value for key, value in spec["affinity"].items() if key != "nodeAffinity"}
    metadata = {key: value for key, value in (template.get("metadata") or {}).items() if key not in ("labels", "annotations")}
    return semantic({**template, "metadata": metadata, "spec": spec})


def _validate_status(obj: Json, old: Json | None) -> list[Cause]:
    return validate_job_status(obj, old or {})


KIND = Kind(
    group="batch",
    version="v1",
    kind="Job",
    plural="jobs",
    singular="job",
    categories=("all",),
    definition="io.k8s.api.batch.v1.Job",
    subresources=frozenset({"status"}),
    default=_default,
    validate=_validate,
    warnings=warn_of_workload_name,
    validate_status=_validate_status,
    prepare_for_create=_prepare_for_create,
    prepare_for_update=_prepare_for_update,
    prepare_for_status_update=only_status,
    orphans_by_default=True,
    columns=printer.COLUMNS,
    row=printer.row,
    field_selectors={"status.successful": lambda obj: str((obj.get("status") or {}).get("succeeded") or 0)},
)
