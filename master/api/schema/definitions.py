"""The definitions of Kubernetes' API types, from the schema file inside the kubernetes-validate package.

Decoded straight into structs that leave out the descriptions: they are most of the file, and only OpenAPI needs them (it
reads the file itself). What no served kind refers to is dropped.
"""

from collections.abc import Iterable, Iterator
from importlib.resources import files
from typing import Any

import msgspec

#: The release whose schemas are used, as the package names its folder.
SCHEMA_VERSION = "v1.33.0"
_REF_PREFIX = "#/$defs/"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."

#: Types that no kind refers to but every API speaks.
META_TYPES = tuple(_META + name for name in ("ObjectMeta", "ListMeta", "Status", "DeleteOptions"))


class SchemaError(Exception):
    """The packaged schemas lack what a kind declares."""


class Schema(msgspec.Struct, frozen=True, gc=False):
    """One type: a definition, or a field's or item's type. Only what Kubernetes' definitions use of JSON Schema."""

    ref: str = msgspec.field(default="", name="$ref")
    type: str | list[str] = ""
    format: str = ""
    properties: "dict[str, Schema]" = {}
    required: list[str] = []
    items: "Schema | None" = None
    additional: "Schema | None" = msgspec.field(default=None, name="additionalProperties")
    patch_strategy: str = msgspec.field(default="", name="x-kubernetes-patch-strategy")
    patch_merge_key: str = msgspec.field(default="", name="x-kubernetes-patch-merge-key")
    list_type: str = msgspec.field(default="", name="x-kubernetes-list-type")
    list_map_keys: list[str] = msgspec.field(default=[], name="x-kubernetes-list-map-keys")
    map_type: str = msgspec.field(default="", name="x-kubernetes-map-type")

    @property
    def json_type(self) -> str:
        """The JSON type without "null", which the schemas allow everywhere; "" for one that may be several."""
        if isinstance(self.type, str):
            return self.type
        return next((name for name in self.type if name != "null"), "")

    @property
    def definition(self) -> str:
        """The name of the definition that it refers to, or ""."""
        return self.ref.removeprefix(_REF_PREFIX)

    @property
    def strategies(self) -> frozenset[str]:
        """x-kubernetes-patch-strategy: of "merge", "retainKeys", "replace"."""
        return frozenset(self.patch_strategy.split(",")) - {""}


class _File(msgspec.Struct):
    definitions: dict[str, Schema] = msgspec.field(name="$defs")


def schema_file() -> bytes:
    """The packaged schema file as it is."""
    folder = files("kubernetes_validate") / "kubernetes-json-schema" / f"{SCHEMA_VERSION}-local"
    return (folder / "_definitions.json").read_bytes()


def load_definitions(roots: Iterable[str]) -> dict[str, Schema]:
    """The named definitions and all that they refer to. Raises SchemaError for a name that the file lacks."""
    everything = msgspec.json.decode(schema_file(), type=_File).definitions
    return {name: everything[name] for name in reachable({**everything}, roots, _references)}


def reachable(definitions: dict[str, Any], roots: Iterable[str], references: Any) -> list[str]:
    """The names of all definitions that the roots lead to, sorted. `references(definition)` yields names."""
    seen: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        if name not in definitions:
            raise SchemaError(f"the schemas of Kubernetes {SCHEMA_VERSION} have no {name}")
        seen.add(name)
        waiting.extend(references(definitions[name]))
    return sorted(seen)


def _references(schema: Schema) -> Iterator[str]:
    if schema.ref:
        yield schema.definition
    for part in (*schema.properties.values(), schema.items, schema.additional):
        if part is not None:
            yield from _references(part)
