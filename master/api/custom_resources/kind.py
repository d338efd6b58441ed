"""Makes the kinds of a CustomResourceDefinition: one `Kind` for each version that it serves.

Called by `controller`, off the event loop: schemas and rules of large definitions take a while to compile.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import orjson

from master.api.custom_resources.columns import columns_of
from master.api.custom_resources.conversion import Converter, VersionConversion
from master.api.custom_resources.definition.validation import schema_of
from master.api.custom_resources.rules.field_path import InvalidFieldPath, resolve
from master.api.custom_resources.rules.validator import Validator
from master.api.custom_resources.structural.defaulting import default_object
from master.api.custom_resources.structural.embedded import validate_embedded
from master.api.custom_resources.structural.list_types import validate_list_types
from master.api.custom_resources.structural.pruning import prune
from master.api.custom_resources.structural.schema import any_schema, is_embedded, properties_of
from master.api.custom_resources.structural.values import NOTHING, validate_value
from master.api.kinds.kind import ALL_VERBS, Kind, ScalePaths
from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import invalid
from master.api.kinds.rules.metadata import validate_metadata
from master.api.schema.merge_types import MergeType
from master.api.schema.merge_types_structural import structural_merge_type
from master.api.schema.schemas import Normalize, Normalized, Schemas, TypeMismatch
from master.client.errors import Cause

Json = dict[str, Any]

_OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
#: Errors of values that leave rules nothing to say.
_BLOCKING = frozenset(
    {"FieldValueNotSupported", "FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany", "FieldValueTypeInvalid"}
)
_BLOCKED = Cause(
    "<nil>",
    "FieldValueInvalid",
    "Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors "
    "to complete validation",
)
_BARE_FINALIZER = "name is neither a standard finalizer name nor is it fully qualified"
_STANDARD_FINALIZERS = frozenset({"kubernetes", "orphan", "foregroundDeletion"})
_MAX_REPLICAS = 2**31 - 1


def definition_name(group: str, version: str, kind: str) -> str:
    """The name of a custom resource's schema in OpenAPI: "com.example.v1.Widget"."""
    return ".".join([*reversed(group.split(".")), version, kind])


@dataclass(frozen=True, slots=True)
class MadeKind:
    """A kind, and what `Schemas` must know of its definition."""

    kind: Kind
    conversion: VersionConversion
    normalize: Normalize
    merge_type: MergeType


def make_kinds(definition: Json, accepted: Json, *, schemas: Schemas, converter: Converter, since: int) -> list[MadeKind]:
    """The kinds of all versions that a definition serves, under its accepted names.

    `since`: objects written at this revision or later have all defaults of the definition as it is.
    """
    versions: list[Json] = definition["spec"]["versions"]
    shapes = {version["name"]: schema_of(version) or {} for version in versions}
    storage = next(version["name"] for version in versions if version.get("storage"))
    # The end of a definition deletes its objects also when it serves none of them any more.
    terminating = bool(definition["metadata"].get("deletionTimestamp"))
    made = []
    for version in versions:
        if not (version.get("served") or (terminating and version.get("storage"))):
            continue
        conversion = VersionConversion(
            group=definition["spec"]["group"],
            version=version["name"],
            storage_version=storage,
            shapes=shapes,
            stored_versions=(definition.get("status") or {}).get("storedVersions") or (),
            since=since,
            converter=converter,
        )
        schema = shapes[version["name"]]
        merge_type = structural_merge_type(schema, metadata=schemas.merge_type(_OBJECT_META))
        kind = _Version(definition, accepted, version, schemas).kind(conversion)
        made.append(MadeKind(kind, conversion, normalizer(schema, schemas), merge_type))
    return made


class _Version:
    """One version: the hooks of its kind. Safe in threads: nothing changes after it is made."""

    def __init__(self, definition: Json, accepted: Json, version: Json, schemas: Schemas) -> None:
        spec = definition["spec"]
        self._definition = definition
        self._accepted = accepted
        self._version = version
        self._schemas = schemas
        self._schema = schema_of(version) or {}
        self._group = spec["group"]
        self._namespaced = spec["scope"] == "Namespaced"
        subresources = version.get("subresources") or {}
        self._has_status = subresources.get("status") is not None
        self._scale = _scale_paths(subresources.get("scale"))
        self._rules = Validator.make(self._schema, is_root=True)
        self._has_embedded = any_schema(self._schema, is_embedded)
        self._has_list_types = any_schema(self._schema, lambda one: one.get("x-kubernetes-list-type") in ("set", "map"))

    def kind(self, conversion: VersionConversion) -> Kind:
        version, accepted = self._version, self._accepted
        columns, row = columns_of(version.get("additionalPrinterColumns") or ())
        name = version["name"]
        definition = definition_name(self._group, name, accepted["kind"])
        subresources = {"status"} if self._has_status else set()
        terminating = bool(self._definition["metadata"].get("deletionTimestamp"))
        deprecation = ""
        if version.get("deprecated"):
            deprecation = version.get("deprecationWarning") or f"{self._group}/{name} {accepted['kind']} is deprecated"
        return Kind(
            group=self._group,
            version=name,
            kind=accepted["kind"],
            list_name=accepted.get("listKind") or "",
            plural=accepted["plural"],
            singular=accepted.get("singular") or accepted["kind"].lower(),
            short_names=tuple(accepted.get("shortNames") or ()),
            categories=tuple(accepted.get("categories") or ()),
            namespaced=self._namespaced,
            definition=definition,
            subresources=frozenset(subresources | ({"scale"} if self._scale else set())),
            verbs=tuple(verb for verb in ALL_VERBS if not (terminating and verb == "create")),
            default=self._default,
            validate=self._validate,
            validate_status=self._validate_status,
            warnings=self._warnings,
            prepare_for_create=self._prepare_for_create,
            prepare_for_update=self._prepare_for_update,
            prepare_for_status_update=self._prepare_for_status_update,
            columns=columns,
            row=row,
            field_selectors=_selectable(version.get("selectableFields") or (), self._schema),
            unconditional_update=False,
            is_custom=True,
            schema=self._schema,
            conversion=conversion,
            scale=self._scale,
            deprecation=deprecation,
            in_thread=self._rules is not None,
        )

    # Lifecycle

    def _default(self, obj: Json) -> None:
        default_object(obj, self._schema)

    def _prepare_for_create(self, obj: Json) -> None:
        if self._has_status:
            obj.pop("status", None)
        obj["metadata"]["generation"] = 1

    def _prepare_for_update(self, obj: Json, old: Json) -> None:
        if self._has_status:
            if "status" in old:
                obj["status"] = deepcopy(old["status"])
            else:
                obj.pop("status", None)
        self._default(obj)
        changed = {**obj, "metadata": None} != {**old, "metadata": None}
        obj["metadata"]["generation"] = old["metadata"].get("generation", 1) + changed

    def _prepare_for_status_update(self, obj: Json, old: Json) -> None:
        """Only the status changes; metadata stays, but for its managed fields."""
        managed = obj["metadata"].get("managedFields")
        kept = {**deepcopy(old["metadata"]), "resourceVersion": obj["metadata"].get("resourceVersion", "")}
        if managed is not None:
            kept["managedFields"] = managed
        status = obj.get("status")
        present = "status" in obj
        obj.clear()
        obj.update({key: deepcopy(value) for key, value in old.items() if key not in ("metadata", "status")})
        obj["metadata"] = kept
        if present:
            obj["status"] = status

    # Validation

    def _validate(self, obj: Json, old: Json | None) -> list[Cause]:
        causes = self._validate_metadata(obj, old)
        causes += validate_value(obj, self._schema, "", NOTHING if old is None else old)
        causes += self._validate_scale(obj, spec=True)
        return causes + self._validate_rest(obj, old, causes)

    def _validate_status(self, obj: Json, old: Json | None) -> list[Cause]:
        causes = self._validate_metadata(obj, old)
        schema = properties_of(self._schema).get("status")
        if schema is not None and "status" in obj:
            before = (old or {}).get("status", NOTHING)
            causes += validate_value(obj["status"], schema, "status", before)
        causes += self._validate_scale(obj, spec=False)
        return causes + self._validate_rest(obj, old, causes)

    def _validate_metadata(self, obj: Json, old: Json | None) -> list[Cause]:
        found = validate_metadata(obj, old, name_rule=names.dns1123_subdomain, namespaced=self._namespaced)
        # Kubernetes only warns of such finalizers on custom resources.
        return [cause for cause in found if _BARE_FINALIZER not in cause.message]

    def _validate_rest(self, obj: Json, old: Json | None, so_far: Sequence[Cause]) -> list[Cause]:
        causes: list[Cause] = []
        if self._has_embedded:
            causes += validate_embedded(obj, self._schema, self._schemas)
        if self._has_list_types and (old is None or not validate_list_types(old, self._schema)):
            causes += validate_list_types(obj, self._schema)
        if self._rules is None:
            return causes
        if any(cause.reason in _BLOCKING for cause in (*so_far, *causes)):
            return [*causes, _BLOCKED]
        return causes + self._rules.validate(obj, NOTHING if old is None else old)

    def _validate_scale(self, obj: Json, *, spec: bool) -> list[Cause]:
        if self._scale is None:
            return []
        causes = _replicas(obj, self._scale.spec_replicas) if spec else []
        causes += _replicas(obj, self._scale.status_replicas)
        if self._scale.selector:
            found = _at(obj, self._scale.selector)
            if found is not None and not isinstance(found, str):
                path = "." + ".".join(self._scale.selector)
                causes.append(invalid(path, "", f"{path} accessor error: the value is of the wrong type, expected string"))
        return causes

    def _warnings(self, obj: Json, old: Json | None) -> Sequence[str]:
        before = set(((old or {}).get("metadata") or {}).get("finalizers") or ())
        found = []
        for name in sorted(set(obj["metadata"].get("finalizers") or ()) - before):
            if "/" in name or name in _STANDARD_FINALIZERS:
                continue
            path = " including a path (/)" if "." in name else ""
            why = f"prefer a domain-qualified finalizer name{path} to avoid accidental conflicts with other finalizer writers"
            found.append(f'metadata.finalizers: "{name}": {why}')
        return found


def normalizer(schema: Json, schemas: Schemas) -> Normalize:
    """What decoding does: a copy with typed metadata, pruned, and the fields that were not known."""

    def normalize(obj: Json) -> Normalized:
        try:
            copied: Json = orjson.loads(orjson.dumps({key: value for key, value in obj.items() if key != "metadata"}))
        except (orjson.JSONEncodeError, orjson.JSONDecodeError) as error:
            raise TypeMismatch(f"json: {error}") from error
        unknown: list[str] = []
        metadata = obj.get("metadata")
        if metadata is not None:
            found = schemas.normalize(_OBJECT_META, metadata)
            copied["metadata"] = found.object
            unknown = [f"metadata.{path}" for path in found.unknown_fields]
        return Normalized(copied, unknown + prune(copied, schema))

    return normalize


def _selectable(fields: Sequence[Json], schema: Json) -> dict[str, Callable[[Json], str]]:
    found: dict[str, Callable[[Json], str]] = {}
    for field in fields:
        try:
            _, steps, _ = resolve(field["jsonPath"], schema, brackets=False)
        except InvalidFieldPath:
            continue  # refused by the definition's validation
        found[field["jsonPath"].removeprefix(".")] = _reader(steps)
    return found


def _reader(steps: tuple[str, ...]) -> Callable[[Json], str]:
    def read(obj: Json) -> str:
        value = _at(obj, steps)
        if value is None:
            return ""
        return str(value).lower() if isinstance(value, bool) else str(value)

    return read


def _scale_paths(scale: Json | None) -> ScalePaths | None:
    if scale is None:
        return None
    return ScalePaths(
        _steps(scale["specReplicasPath"]), _steps(scale["statusReplicasPath"]), _steps(scale.get("labelSelectorPath") or "")
    )


def _steps(path: str) -> tuple[str, ...]:
    return tuple(path.removeprefix(".").split(".")) if path else ()


def _at(obj: Any, steps: tuple[str, ...]) -> Any:
    for step in steps:
        obj = obj.get(step) if isinstance(obj, dict) else None
    return obj


def _replicas(obj: Json, steps: tuple[str, ...]) -> list[Cause]:
    value, path = _at(obj, steps), "." + ".".join(steps)
    if value is None:
        return []
    if isinstance(value, bool) or not isinstance(value, int):
        return [invalid(path, 0, f"{path} accessor error: the value is of the wrong type, expected int64")]
    if value < 0:
        return [invalid(path, value, "should be a non-negative integer")]
    if value > _MAX_REPLICAS:
        return [invalid(path, value, f"should be less than or equal to {_MAX_REPLICAS}")]
    return []
