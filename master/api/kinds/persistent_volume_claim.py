"""PersistentVolumeClaim: storage that a pod asks for; fixed once it exists, but for the size of a bound one.

Its protection finalizer is set by admission (StorageObjectInUseProtection).
"""

from decimal import Decimal

from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules import names
from master.api.kinds.rules.claims import default_claim, validate_claim_spec
from master.api.kinds.rules.field_errors import forbidden, invalid, shown
from master.api.kinds.rules.lifecycle import keep_status, only_status
from master.api.kinds.rules.metadata import immutable, validate_metadata
from master.api.kinds.rules.semantic import semantic
from master.api.printers import persistent_volume_claim as printer
from master.client.errors import Cause
from proto.k8s.quantity import parse

_CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
_IMMUTABLE = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
#: What a claim may be copied from without a populator: (group, kind).
_CLASSIC_SOURCES = frozenset({("", "PersistentVolumeClaim"), ("snapshot.storage.k8s.io", "VolumeSnapshot")})


def _prepare_for_create(obj: Json) -> None:
    obj["status"] = {"phase": "Pending"}
    spec = obj.setdefault("spec", {})
    source = spec.get("dataSource")
    # What the older field cannot name is dropped there, as it always was.
    if source is not None and not _is_classic(source):
        spec.pop("dataSource")
    spec.pop("volumeAttributesClassName", None)
    _pair_data_sources(spec)


def _prepare_for_update(obj: Json, old: Json) -> None:
    default_claim(obj)
    keep_status(obj, old)
    spec = obj["spec"]
    if not (old.get("spec") or {}).get("volumeAttributesClassName"):
        spec.pop("volumeAttributesClassName", None)
    _pair_data_sources(spec)


def _pair_data_sources(spec: Json) -> None:
    """Either field sets the other (NormalizeDataSources)."""
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if source is not None and reference is None:
        spec["dataSourceRef"] = dict(source)
    elif reference is not None and source is None and not reference.get("namespace") and _is_classic(reference):
        spec["dataSource"] = {field: value for field, value in reference.items() if field != "namespace"}


def _is_classic(source: Json) -> bool:
    return (source.get("apiGroup") or "", source.get("kind") or "") in _CLASSIC_SOURCES


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_metadata(obj, old, name_rule=names.dns1123_subdomain)
    spec = obj.get("spec") or {}
    causes.extend(validate_claim_spec(spec, "spec"))
    if old is not None:
        causes.extend(_validate_update(obj, old))
    return causes


def _validate_update(obj: Json, old: Json) -> list[Cause]:
    causes: list[Cause] = []
    spec, before = obj.get("spec") or {}, old.get("spec") or {}
    annotation, annotated = _class_annotation(obj), _class_annotation(old)
    if annotation != annotated:
        path = f"metadata.annotations[{_CLASS_ANNOTATION}]"
        causes.append(invalid(path, annotation, "field is immutable"))
    bound = (obj.get("status") or {}).get("phase") == "Bound"
    new, was = (
        _comparable(spec, before, bound=bound, named=annotated),
        _comparable(before, before, bound=bound, named=annotated),
    )
    if new != was:
        changed = sorted(field for field in new.keys() | was.keys() if new.get(field) != was.get(field))
        lines = [
            f"{sign} {field}: {shown(side[field])}"
            for field in changed
            for sign, side in (("-", was), ("+", new))
            if field in side
        ]
        causes.append(forbidden("spec", "\n".join([_IMMUTABLE, *lines])))
    size, had = _storage(spec.get("resources")), _storage(before.get("resources"))
    if size < had and size <= _capacity(old):
        causes.append(forbidden("spec.resources.requests.storage", "field can not be less than status.capacity"))
    return causes + immutable(spec.get("volumeMode"), before.get("volumeMode"), "volumeMode")


def _comparable(spec: Json, before: Json, *, bound: bool, named: str) -> Json:
    """A spec with what may change set to what it was."""
    kept: Json = dict(spec)
    if not before.get("volumeName"):
        kept.pop("volumeName", None)
    if "storageClassName" not in before or (named and before["storageClassName"] == named):
        # A default class may come to a claim without one; an annotated one may be named as Kubernetes names it today.
        kept.pop("storageClassName", None)
    kept.pop("volumeAttributesClassName", None)
    if bound:
        resources = dict(kept.get("resources") or {})
        resources["requests"] = {
            **(resources.get("requests") or {}),
            "storage": ((before.get("resources") or {}).get("requests") or {}).get("storage"),
        }
        kept["resources"] = resources
    result: Json = semantic(kept)
    return result


def _class_annotation(obj: Json) -> str:
    return (obj["metadata"].get("annotations") or {}).get(_CLASS_ANNOTATION) or ""


def _storage(resources: Json | None) -> Decimal:
    return parse(((resources or {}).get("requests") or {}).get("storage") or "0")


def _capacity(obj: Json) -> Decimal:
    return parse(((obj.get("status") or {}).get("capacity") or {}).get("storage") or "0")


KIND = Kind(
    group="",
    version="v1",
    kind="PersistentVolumeClaim",
    plural="persistentvolumeclaims",
    singular="persistentvolumeclaim",
    short_names=("pvc",),
    definition="io.k8s.api.core.v1.PersistentVolumeClaim",
    subresources=frozenset({"status"}),
    default=default_claim,
    validate=_validate,
    prepare_for_create=_prepare_for_create,
    prepare_for_update=_prepare_for_update,
    prepare_for_status_update=only_status,
    columns=printer.COLUMNS,
    row=printer.row,
)
