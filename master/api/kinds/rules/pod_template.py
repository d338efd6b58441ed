"""Selector and pod template as the workloads have them."""

from collections.abc import Sequence
from typing import Any

from master.api.kinds.pod_spec.defaults import default_pod_spec
from master.api.kinds.pod_spec.validation import validate_pod_spec
from master.api.kinds.rules.field_errors import forbidden, invalid, not_supported, required
from master.api.kinds.rules.metadata import (
    immutable,
    selector_matches,
    validate_annotations,
    validate_label_selector,
    validate_labels,
)
from master.client.errors import Cause

Json = dict[str, Any]


def default_template(spec: Json) -> None:
    """Defaults of `spec.template`; a template without a spec gets one, so that validation can name what it lacks."""
    template = spec.setdefault("template", {})
    template.setdefault("metadata", {})
    default_pod_spec(template.setdefault("spec", {}))


def validate_selector_and_template(spec: Json, *, empty_selector: str) -> list[Cause]:
    """Errors of `spec.selector` and `spec.template`. `empty_selector` is what the kind says of an empty selector."""
    causes: list[Cause] = []
    selector, template = spec.get("selector"), spec.get("template") or {}
    if selector is None:
        causes.append(required("spec.selector"))
    else:
        causes.extend(validate_label_selector(selector, "spec.selector"))
        if not selector.get("matchLabels") and not selector.get("matchExpressions"):
            causes.append(invalid("spec.selector", selector, empty_selector))
        else:
            causes.extend(validate_selected(selector, template, "spec.template"))
    causes.extend(validate_template(template, "spec.template"))
    causes.extend(validate_restarts_always(template, "spec.template", kind="ReplicaSet"))
    return causes


def validate_selected(selector: Json, template: Json, path: str) -> list[Cause]:
    """A workload that does not select its own pods would make them for ever."""
    labels = (template.get("metadata") or {}).get("labels") or {}
    if selector_matches(selector, labels):
        return []
    return [invalid(f"{path}.metadata.labels", labels, "`selector` does not match template `labels`")]


def validate_template(template: Json, path: str, *, claimed: Sequence[Json] = ()) -> list[Cause]:
    """Errors of a pod template, whatever its pods are for (ValidatePodTemplateSpec). `claimed`: volumes that its pods get."""
    metadata, spec = template.get("metadata") or {}, template.get("spec") or {}
    causes = validate_labels(metadata.get("labels"), f"{path}.labels")
    causes.extend(validate_annotations(metadata.get("annotations"), f"{path}.annotations"))
    causes.extend(validate_pod_spec(spec, f"{path}.spec", claimed=claimed))
    if spec.get("ephemeralContainers"):
        causes.append(forbidden(f"{path}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template"))
    return causes


def validate_restarts_always(template: Json, path: str, *, kind: str) -> list[Cause]:
    """The template of a workload whose pods run until they are deleted."""
    causes: list[Cause] = []
    spec = template.get("spec") or {}
    if spec.get("restartPolicy") not in (None, "Always"):
        causes.append(not_supported(f"{path}.spec.restartPolicy", spec["restartPolicy"], ["Always"]))
    if spec.get("activeDeadlineSeconds") is not None:
        message = f"activeDeadlineSeconds in {kind} is not Supported"
        causes.append(forbidden(f"{path}.spec.activeDeadlineSeconds", message))
    return causes


def validate_selector_update(spec: Json, old: Json) -> list[Cause]:
    return immutable(spec.get("selector"), old.get("selector"), "spec.selector")
