"""Validation of metadata and of label selectors, the same for every kind (apimachinery pkg/api/validation)."""

from collections.abc import Callable
from typing import Any

from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import child, forbidden, invalid, required, too_long
from master.client.errors import Cause

Json = dict[str, Any]
NameRule = Callable[[str], list[str]]

#: All annotations of an object together, keys and values, in bytes.
ANNOTATIONS_LIMIT = 256 * 1024

#: Names of finalizers that need no domain.
_STANDARD_FINALIZERS = frozenset({"kubernetes", "orphan", "foregroundDeletion"})


def validate_metadata(obj: Json, old: Json | None, *, name_rule: NameRule, namespaced: bool = True) -> list[Cause]:
    """Every error of an object's metadata; on update also what may not change."""
    metadata: Json = obj.get("metadata") or {}
    causes: list[Cause] = []
    if old is None:
        if prefix := metadata.get("generateName"):
            # The name that is made of it ends in a random suffix: a trailing dash or dot is fine here.
            causes.extend(invalid("metadata.generateName", prefix, why) for why in name_rule(prefix.rstrip("-.") or prefix))
        name = metadata.get("name") or ""
        if not name:
            if not metadata.get("generateName"):
                causes.append(required("metadata.name", "name or generateName is required"))
        else:
            causes.extend(invalid("metadata.name", name, why) for why in name_rule(name))
    namespace = metadata.get("namespace") or ""
    if namespaced:
        if not namespace:
            causes.append(required("metadata.namespace"))
        else:
            causes.extend(invalid("metadata.namespace", namespace, why) for why in names.dns1123_label(namespace))
    elif namespace:
        causes.append(forbidden("metadata.namespace", "not allowed on this type"))
    causes.extend(validate_labels(metadata.get("labels"), "metadata.labels"))
    causes.extend(validate_annotations(metadata.get("annotations"), "metadata.annotations"))
    causes.extend(_validate_owners(metadata.get("ownerReferences")))
    causes.extend(_validate_finalizers(metadata.get("finalizers")))
    if old is not None:
        causes.extend(_validate_metadata_update(metadata, old["metadata"]))
    return causes


def validate_labels(labels: Any, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for key, value in (labels or {}).items():
        causes.extend(invalid(path, key, why) for why in names.qualified_name(key))
        causes.extend(invalid(path, value, why) for why in names.label_value(value))
    return causes


def validate_annotations(annotations: Any, path: str) -> list[Cause]:
    causes: list[Cause] = []
    size = 0
    for key, value in (annotations or {}).items():
        causes.extend(invalid(path, key, why) for why in names.qualified_name(key.lower()))
        size += len(key.encode()) + len(value.encode())
    if size > ANNOTATIONS_LIMIT:
        causes.append(too_long(path, ANNOTATIONS_LIMIT))
    return causes


def validate_label_selector(selector: Any, path: str) -> list[Cause]:
    """A metav1.LabelSelector."""
    causes: list[Cause] = []
    if not selector:
        return causes
    causes.extend(validate_labels(selector.get("matchLabels"), child(path, "matchLabels")))
    for index, expression in enumerate(selector.get("matchExpressions") or ()):
        where = f"{path}.matchExpressions[{index}]"
        operator, values = expression.get("operator") or "", expression.get("values") or []
        if operator in ("In", "NotIn"):
            if not values:
                causes.append(required(child(where, "values"), "must be specified when `operator` is 'In' or 'NotIn'"))
        elif operator in ("Exists", "DoesNotExist"):
            if values:
                causes.append(
                    forbidden(child(where, "values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
                )
        else:
            causes.append(invalid(child(where, "operator"), operator, "not a valid selector operator"))
        key = expression.get("key") or ""
        causes.extend(invalid(child(where, "key"), key, why) for why in names.qualified_name(key))
        for position, value in enumerate(values):
            causes.extend(invalid(f"{where}.values[{position}]", value, why) for why in names.label_value(value))
    return causes


def selector_matches(selector: Json, labels: Json) -> bool:
    """Whether a metav1.LabelSelector selects these labels; an empty one selects all."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    for expression in selector.get("matchExpressions") or ():
        key, values = expression.get("key"), expression.get("values") or ()
        holds = {
            "In": key in labels and labels.get(key) in values,
            "NotIn": key not in labels or labels.get(key) not in values,
            "Exists": key in labels,
            "DoesNotExist": key not in labels,
        }.get(expression.get("operator"), False)
        if not holds:
            return False
    return True


def immutable(value: Any, old: Any, path: str) -> list[Cause]:
    """An error when a field differs from what it was; unset, empty and absent are the same."""
    return [] if (value or None) == (old or None) else [invalid(path, value, "field is immutable")]


def _validate_owners(owners: Any) -> list[Cause]:
    causes: list[Cause] = []
    controllers = 0
    for index, owner in enumerate(owners or ()):
        path = f"metadata.ownerReferences[{index}]"
        version = owner.get("apiVersion") or ""
        if not version:
            causes.append(invalid(child(path, "apiVersion"), version, "version must not be empty"))
        for name in ("kind", "name", "uid"):
            if not owner.get(name):
                causes.append(invalid(child(path, name), owner.get(name) or "", "must not be empty"))
        controllers += bool(owner.get("controller"))
    if controllers > 1:
        causes.append(
            invalid(
                "metadata.ownerReferences",
                owners,
                'Only one reference can have Controller set to true. Found "true" in references for '
                + " and ".join(f"{o.get('kind')}/{o.get('name')}" for o in owners if o.get("controller")),
            )
        )
    return causes


def validate_finalizer_name(finalizer: str, path: str) -> list[Cause]:
    causes = [invalid(path, finalizer, why) for why in names.qualified_name(finalizer)]
    if not causes and "/" not in finalizer and finalizer not in _STANDARD_FINALIZERS:
        causes.append(invalid(path, finalizer, "name is neither a standard finalizer name nor is it fully qualified"))
    return causes


def _validate_finalizers(finalizers: Any) -> list[Cause]:
    causes: list[Cause] = []
    for index, finalizer in enumerate(finalizers or ()):
        path = f"metadata.finalizers[{index}]"
        causes.extend(validate_finalizer_name(finalizer, path))
    if {"orphan", "foregroundDeletion"} <= set(finalizers or ()):
        causes.append(invalid("metadata.finalizers", finalizers, "finalizer orphan and foregroundDeletion cannot be both set"))
    return causes


def _validate_metadata_update(metadata: Json, old: Json) -> list[Cause]:
    causes: list[Cause] = []
    for name in ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"):
        causes.extend(immutable(metadata.get(name), old.get(name), f"metadata.{name}"))
    if old.get("deletionTimestamp"):
        added = [name for name in metadata.get("finalizers") or () if name not in (old.get("finalizers") or ())]
        if added:
            causes.append(
                forbidden(
                    "metadata.finalizers",
                    "no new finalizers can be added if the object is being deleted, found new finalizers "
                    + "[]string{"
                    + ", ".join(f'"{name}"' for name in added)
                    + "}",
                )
            )
    return causes
