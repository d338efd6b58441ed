"""x-kubernetes-embedded-resource: objects inside objects have a valid apiVersion, kind and metadata."""

from typing import Any

from master.api.custom_resources.structural.schema import Json, additional_of, is_embedded, items_of, properties_of
from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import invalid, keyed, required
from master.api.kinds.rules.metadata import validate_metadata
from master.api.schema.schemas import Schemas, TypeMismatch
from master.client.errors import Cause

_OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


def validate_embedded(obj: Json, schema: Json, schemas: Schemas) -> list[Cause]:
    """Every error of the objects inside an object; its own metadata is not looked at."""
    causes: list[Cause] = []
    _fields(obj, schema, "", schemas, causes)
    return causes


def _walk(value: Any, schema: Json, path: str, schemas: Schemas, causes: list[Cause]) -> None:
    if isinstance(value, dict):
        if is_embedded(schema):
            _resource(value, path, schemas, causes)
        _fields(value, schema, path, schemas, causes)
    elif isinstance(value, list):
        items = items_of(schema)
        if items is not None:
            for index, item in enumerate(value):
                _walk(item, items, f"{path}[{index}]", schemas, causes)


def _fields(value: Json, schema: Json, path: str, schemas: Schemas, causes: list[Cause]) -> None:
    properties, additional = properties_of(schema), additional_of(schema)
    for key, item in value.items():
        if not isinstance(item, dict | list):
            continue
        if key in properties:
            _walk(item, properties[key], f"{path}.{key}" if path else key, schemas, causes)
        elif additional is not None:
            _walk(item, additional, keyed(path, key), schemas, causes)


def _resource(value: Json, path: str, schemas: Schemas, causes: list[Cause]) -> None:
    if "apiVersion" not in value:
        causes.append(required(f"{path}.apiVersion"))
    elif not isinstance(value["apiVersion"], str):
        causes.append(invalid(f"{path}.apiVersion", value["apiVersion"], "must be a string"))
    elif not value["apiVersion"]:
        causes.append(invalid(f"{path}.apiVersion", "", "must not be empty"))
    elif value["apiVersion"].count("/") > 1:
        causes.append(
            invalid(f"{path}.apiVersion", value["apiVersion"], f"unexpected GroupVersion string: {value['apiVersion']}")
        )
    if "kind" not in value:
        causes.append(required(f"{path}.kind"))
    elif not isinstance(value["kind"], str):
        causes.append(invalid(f"{path}.kind", value["kind"], "must be a string"))
    elif not value["kind"]:
        causes.append(invalid(f"{path}.kind", "", "must not be empty"))
    elif wrong := names.dns1035_label(value["kind"].lower()):
        text = "may have mixed case, but should otherwise match: " + ",".join(wrong)
        causes.append(invalid(f"{path}.kind", value["kind"], text))
    if "metadata" in value:
        causes.extend(_metadata(value["metadata"], f"{path}.metadata", schemas))


def _metadata(metadata: Any, path: str, schemas: Schemas) -> list[Cause]:
    if not isinstance(metadata, dict):
        return [invalid(path, metadata, "invalid type for metadata: expected an object")]
    try:
        normalized = schemas.normalize(_OBJECT_META, metadata).object
    except TypeMismatch as error:
        return [invalid(path, metadata, str(error))]
    named = {**normalized, "name": normalized.get("name") or "fakename"}
    found = validate_metadata(
        {"metadata": named}, None, name_rule=names.path_segment, namespaced=bool(normalized.get("namespace"))
    )
    return [Cause(path + cause.field.removeprefix("metadata"), cause.reason, cause.message) for cause in found]
