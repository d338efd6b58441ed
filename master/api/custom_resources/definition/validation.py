"""The validation of a CustomResourceDefinition on create, on update and on update of its status."""

from collections.abc import Sequence
from typing import Any

from master.api.custom_resources.definition.columns import validate_columns, validate_selectable, validate_subresources
from master.api.custom_resources.definition.conversion import validate_conversion
from master.api.custom_resources.definition.default_values import validate_defaults
from master.api.custom_resources.definition.names import validate_approval, validate_names, validate_required_names
from master.api.custom_resources.definition.schemas import validate_openapi
from master.api.custom_resources.definition.structure import validate_structure
from master.api.custom_resources.structural.formats import FORMATS
from master.api.custom_resources.structural.schema import MAX_DEPTH, any_schema, depth
from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import forbidden, invalid, not_supported, required
from master.api.kinds.rules.metadata import immutable, validate_metadata
from master.client.errors import Cause

Json = dict[str, Any]

#: What stands at the top in Kubernetes' internal form when all versions agree: field of a version, its place.
_SHARED = {
    "schema": "validation",
    "subresources": "subresources",
    "additionalPrinterColumns": "additionalPrinterColumns",
    "selectableFields": "selectableFields",
}
_AT_ROOT = frozenset({
    "description", "type", "format", "title", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "maxLength",
    "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "multipleOf", "required", "items", "properties",
    "externalDocs", "example", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-validations",
})  # fmt: skip
_AT_ROOT_SHOWN = (
    "[Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern MaxItems "
    "MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields XValidations]"
)
#: Formats of numbers, which no string has.
_NUMBER_FORMATS = frozenset({"int32", "int64", "float", "double"})


def validate(obj: Json, old: Json | None) -> list[Cause]:
    """Every error of a definition; on update also what may not change."""
    spec: Json = obj.get("spec") or {}
    group, found = spec.get("group") or "", spec.get("names") or {}

    def name_rule(name: str) -> list[str]:
        wrong = names.dns1123_subdomain(name)
        if name != f"{found.get('plural') or ''}.{group}":
            wrong = [*wrong, 'must be spec.names.plural+"."+spec.group']
        return wrong

    causes = validate_metadata(obj, old, name_rule=name_rule, namespaced=False)
    causes.extend(_validate_spec({**obj, "spec": spec}, found, group))
    causes.extend(_validate_stored_versions(obj))
    causes.extend(validate_approval({**obj, "spec": spec}, old))
    if spec.get("preserveUnknownFields"):
        why = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        causes.append(invalid("spec.preserveUnknownFields", True, why))
    if old is not None:
        before = old["spec"]
        if is_established(old):
            causes.extend(immutable(spec.get("scope"), before.get("scope"), "spec.scope"))
            causes.extend(immutable(found.get("kind"), before["names"].get("kind"), "spec.names.kind"))
        causes.extend(immutable(group, before.get("group"), "spec.group"))
        causes.extend(immutable(found.get("plural"), before["names"].get("plural"), "spec.names.plural"))
    return causes


def validate_status(obj: Json, old: Json | None) -> list[Cause]:
    accepted = (obj.get("status") or {}).get("acceptedNames") or {}
    return validate_names(accepted, "status.acceptedNames")


def warnings(obj: Json, old: Json | None) -> Sequence[str]:
    """Formats that are not known and so ask nothing; only those that an update brings."""
    return [f'unrecognized format "{name}"' for name in sorted(_unknown_formats(obj) - _unknown_formats(old or {}))]


def is_established(obj: Json) -> bool:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return any(one.get("type") == "Established" and one.get("status") == "True" for one in conditions)


def schema_of(version: Json) -> Json | None:
    found = (version.get("schema") or {}).get("openAPIV3Schema")
    return found if isinstance(found, dict) else None


def _unknown_formats(obj: Json) -> set[str]:
    found: set[str] = set()

    def look(schema: Json) -> bool:
        form = schema.get("format")
        if form and form not in FORMATS and form not in _NUMBER_FORMATS:
            found.add(form)
        return False

    for version in (obj.get("spec") or {}).get("versions") or ():
        schema = schema_of(version)
        if schema is not None:
            any_schema(schema, look)
    return found


def _validate_spec(obj: Json, found: Json, group: str) -> list[Cause]:
    spec = obj["spec"]
    causes: list[Cause] = []
    if not group:
        causes.append(required("spec.group"))
    elif wrong := names.dns1123_subdomain(group):
        causes.append(invalid("spec.group", group, ",".join(wrong)))
    elif "." not in group:
        causes.append(invalid("spec.group", group, "should be a domain with at least one dot"))
    scope = spec.get("scope") or ""
    if not scope:
        causes.append(required("spec.scope"))
    elif scope not in ("Cluster", "Namespaced"):
        causes.append(not_supported("spec.scope", scope, ("Cluster", "Namespaced")))
    versions: list[Json] = spec.get("versions") or []
    for index, version in enumerate(versions):
        if schema_of(version) is None:
            causes.append(required(f"spec.versions[{index}].schema.openAPIV3Schema"))
    shared = {field for field in _SHARED if _is_shared(versions, field)}
    for index, version in enumerate(versions):
        causes.extend(_validate_version(version, f"spec.versions[{index}]", shared))
    if len({version.get("name") for version in versions}) != len(versions):
        causes.append(invalid("spec.versions", _shown(versions), "must contain unique version names"))
    if sum(bool(version.get("storage")) for version in versions) != 1:
        why = "must have exactly one version marked as storage version"
        causes.append(invalid("spec.versions", _shown(versions), why))
    causes.extend(validate_required_names(found, "spec.names"))
    causes.extend(validate_names(found, "spec.names"))
    if versions:
        places = {field: f"spec.{place}" for field, place in _SHARED.items() if field in shared}
        causes.extend(_validate_parts(versions[0], places))
    causes.extend(validate_conversion(spec.get("conversion"), "spec.conversion"))
    return causes


def _is_shared(versions: list[Json], field: str) -> bool:
    first = versions[0].get(field) if versions else None
    return bool(first) and all(version.get(field) == first for version in versions)


def _shown(versions: list[Json]) -> list[Json]:
    """Versions without what is long, for errors."""
    return [{key: version.get(key) for key in ("name", "served", "storage")} for version in versions]


def _validate_version(version: Json, path: str, shared: set[str]) -> list[Cause]:
    name = version.get("name") or ""
    causes = [invalid(f"{path}.name", name, ",".join(wrong)) for wrong in (names.dns1035_label(name),) if wrong]
    causes.extend(_validate_deprecation(version, f"{path}.deprecationWarning"))
    places = {field: f"{path}.{field}" for field in _SHARED if field not in shared}
    causes.extend(_validate_parts(version, places))
    return causes


def _validate_deprecation(version: Json, path: str) -> list[Cause]:
    warning = version.get("deprecationWarning")
    if warning is None:
        return []
    if not version.get("deprecated"):
        return [invalid(path, warning, "can only be set for deprecated versions")]
    causes: list[Cause] = []
    if len(warning.encode()) > 256:
        causes.append(invalid(path, warning, "must be <= 256 characters long"))
    if not warning:
        causes.append(invalid(path, warning, "must not be an empty string"))
    bad = next((index for index, char in enumerate(warning) if not char.isprintable()), None)
    if bad is not None:
        why = f"must only contain printable UTF-8 characters; non-printable character found at index {bad}"
        causes.append(invalid(path, warning, why))
    return causes


def _validate_parts(version: Json, places: dict[str, str]) -> list[Cause]:
    """What is declared of a version, each part where `places` says that it stands."""
    causes: list[Cause] = []
    schema, subresources = schema_of(version), version.get("subresources") or {}
    if "schema" in places and schema is not None:
        path = f"{places['schema']}.openAPIV3Schema"
        causes.extend(validate_schema(schema, path, has_status=subresources.get("status") is not None))
    if "subresources" in places:
        causes.extend(validate_subresources(subresources, places["subresources"]))
    if "additionalPrinterColumns" in places:
        causes.extend(validate_columns(version.get("additionalPrinterColumns"), places["additionalPrinterColumns"]))
    if "selectableFields" in places:
        causes.extend(validate_selectable(version.get("selectableFields"), schema, places["selectableFields"]))
    return causes


def validate_schema(schema: Json, path: str, *, has_status: bool) -> list[Cause]:
    if depth(schema) > MAX_DEPTH:
        return [forbidden(path, f"schemas must not be nested deeper than {MAX_DEPTH} levels")]
    causes: list[Cause] = []
    if has_status:
        if schema.get("type") and schema["type"] != "object":
            why = 'only "object" is allowed as the type at the root of the schema if the status subresource is enabled'
            causes.append(invalid(f"{path}.type", schema["type"], why))
        elif any(value not in (None, False, "", [], {}) and key not in _AT_ROOT for key, value in schema.items()):
            why = f"only {_AT_ROOT_SHOWN} fields are allowed at the root of the schema if the status subresource is enabled"
            causes.append(invalid(path, {}, why))
    if schema.get("nullable"):
        causes.append(forbidden(f"{path}.nullable", "nullable cannot be true at the root"))
    structure = validate_structure(schema, path)
    # Rules of a schema without proper types would only add errors that nobody can act upon.
    defaults = [] if structure else validate_defaults(schema, path)
    causes += structure + defaults
    causes += validate_openapi(schema, path, compile_rules=not (structure or defaults))
    return causes


def _validate_stored_versions(obj: Json) -> list[Cause]:
    stored = (obj.get("status") or {}).get("storedVersions") or []
    path = "status.storedVersions"
    if not stored:
        return [invalid(path, stored, "must have at least one stored version")]
    versions = (obj.get("spec") or {}).get("versions") or []
    causes = [
        invalid(path, stored, f"must have the storage version {version['name']}")
        for version in versions
        if version.get("storage") and version.get("name") not in stored
    ]
    declared = {version.get("name") for version in versions}
    for index, name in enumerate(stored):
        if name not in declared:
            why = (
                f"missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions until "
                f"a storage migration ensures no data remains persisted in {name} and removes {name} from "
                "status.storedVersions"
            )
            causes.append(invalid(f"{path}[{index}]", name, why))
    return causes
