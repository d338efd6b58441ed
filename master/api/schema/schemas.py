"""Checks an object against its definition and brings it into the form that Kubernetes would store.

One walk does what decoding into Go types does: unknown fields are dropped and reported, nulls are dropped, numbers are
checked for their range, quantities and times get their canonical form, fields that Go always writes are added, and a value of
a wrong type ends the walk. The walk is compiled once per definition, when it is first used.
"""

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from master.api.schema.definitions import META_TYPES, Schema, SchemaError, load_definitions
from master.api.schema.empty_fields import dropped_when_empty
from master.api.schema.merge_types import MergeType
from master.api.schema.merge_types_builtin import BuiltinMergeTypes
from master.api.schema.scalars import InvalidScalar, canonical_micro_time, canonical_quantity, canonical_time
from master.api.schema.zero_fields import Zero, written_when_unset

Json = dict[str, Any]

#: A place in an object: the place above it and the step from there. None is the object itself.
Place = tuple[Any, str | int] | None
#: Checks one value at a place; unknown fields go to the list. Returns the value as it is to be stored.
Visit = Callable[[Any, Place, list[str]], Any]

_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_TIME = "io.k8s.apimachinery.pkg.apis.meta.v1.Time"
_MICRO_TIME = "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime"
_CRD = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."
_RANGES = {"int32": 2**31, "int64": 2**63}


class TypeMismatch(ValueError):
    """A value that its field's type cannot hold; the text is what Kubernetes' decoder says."""


@dataclass(frozen=True, slots=True)
class Normalized:
    """An object as it is to be stored, and the paths of fields that its definition lacks."""

    object: Json
    unknown_fields: list[str]


#: The form of a custom resource: what `Schemas.normalize` gives for its definition.
Normalize = Callable[[Json], Normalized]


class Schemas:
    """The schemas of the served kinds. Reads the packaged file when it is made (some 30 ms)."""

    def __init__(self, roots: Iterable[str]) -> None:
        """`roots`: the definitions of the kinds that are served; what they refer to comes along."""
        self._definitions = load_definitions([*roots, *META_TYPES])
        self._visits: dict[str, Visit] = {}
        self._merge_types = BuiltinMergeTypes(self.definition)
        self._custom: dict[str, tuple[Normalize, MergeType]] = {}

    def add(self, definition: str, normalize: "Normalize", merge_type: MergeType) -> None:
        """Know a custom resource's definition, instead of what was known of it before."""
        self._custom[definition] = (normalize, merge_type)

    def remove(self, definition: str) -> None:
        self._custom.pop(definition, None)

    def normalize(self, definition: str, obj: Json) -> Normalized:
        """A normalised copy. Raises TypeMismatch with the decoder's text for the first value of a wrong type."""
        custom = self._custom.get(definition)
        if custom is not None:
            return custom[0](obj)
        unknown: list[str] = []
        return Normalized(self._visit_of(definition)(obj, None, unknown), unknown)

    def prepare(self, definition: str) -> None:
        """Make all that is made when a definition is first used: from then on it is only read, and may be in other threads."""
        if definition not in self._custom:
            self._visit_of(definition)
            self._merge_types.merge_type(definition)

    def definition(self, name: str) -> Schema:
        """A definition by its name. Raises SchemaError."""
        try:
            return self._definitions[name]
        except KeyError as error:
            raise SchemaError(f"no schema of {name}") from error

    def merge_type(self, definition: str) -> MergeType:
        """How objects of a definition are merged by server-side apply. Raises SchemaError."""
        custom = self._custom.get(definition)
        return custom[1] if custom is not None else self._merge_types.merge_type(definition)

    def resolved(self, schema: Schema) -> Schema:
        """The definition that a schema refers to, or the schema itself."""
        return self.definition(schema.definition) if schema.ref else schema

    def _visit_of(self, name: str) -> Visit:
        visit = self._visits.get(name)
        if visit is None:
            visit = self._visits[name] = self._compile_definition(name)
        return visit

    def _compile_definition(self, name: str) -> Visit:
        match name:
            case _ if name == _QUANTITY:
                return _visit_quantity
            case _ if name == _INT_OR_STRING:
                return _visit_int_or_string
            case _ if name == _TIME:
                return _timed(canonical_time)
            case _ if name == _MICRO_TIME:
                return _timed(canonical_micro_time)
        if name.startswith(_CRD):
            one_of = self._compile_crd_part(name.removeprefix(_CRD))
            if one_of is not None:
                return one_of
        schema = self.definition(name)
        if not schema.properties:
            return _visit_anything
        # A definition may refer to itself: the fields are filled in when the visit is known already.
        fields: dict[str, Visit] = {}
        visit = self._visits[name] = _object(
            fields, go_type(name), dropped_when_empty(name, schema), written_when_unset(name, schema)
        )
        struct = go_type(name).rpartition(".")[2]
        fields.update((key, self._compile(field, struct)) for key, field in schema.properties.items())
        return visit

    def _compile_crd_part(self, name: str) -> Visit | None:
        """Parts of a definition's schemas that are one of several forms; the packaged schemas do not say which."""

        def schema_props(value: Any, place: Place, unknown: list[str]) -> Any:
            return self._visit_of(_CRD + "JSONSchemaProps")(value, place, unknown)

        match name:
            case "JSONSchemaPropsOrArray":
                return _either(schema_props, list)
            case "JSONSchemaPropsOrBool":
                return _either(schema_props, bool)
            case "JSONSchemaPropsOrStringArray":
                return _either(schema_props, str)
        return None

    def _compile(self, schema: Schema, struct: str) -> Visit:
        """The visit of a field or item that belongs to the Go struct of that name."""
        if schema.ref:
            visit = self._visit_of(schema.definition)
            if visit is _visit_anything or not self.definition(schema.definition).properties:
                return visit
            return _in_struct(visit, struct, go_type(schema.definition))
        match schema.json_type:
            case "string":
                return _bytes(struct) if schema.format == "byte" else _string(struct)
            case "boolean":
                return _boolean(struct)
            case "integer":
                return _integer(struct, schema.format or "int64")
            case "number":
                return _number(struct)
            case "array" if schema.items is not None:
                return _array(self._compile(schema.items, struct), struct, self._go_name(schema), self._zero(schema.items))
            case "object" if schema.additional is not None:
                return _map(
                    self._compile(schema.additional, struct), struct, self._go_name(schema), self._zero(schema.additional)
                )
            case _:
                return _visit_anything

    def _go_name(self, schema: Schema) -> str:
        """The Go type of a schema, as an error names it."""
        if schema.ref:
            return go_type(schema.definition)
        if schema.items is not None:
            return f"[]{self._go_name(schema.items)}"
        if schema.additional is not None:
            inner = self._go_name(schema.additional)
            return "v1.ResourceList" if inner == "resource.Quantity" else f"map[string]{inner}"
        return {"boolean": "bool", "integer": schema.format or "int64", "number": "float64"}.get(schema.json_type, "string")

    def _zero(self, schema: Schema) -> Any:
        """What a null in a list or map becomes: Go's zero value."""
        if schema.ref:
            return {_QUANTITY: "0", _INT_OR_STRING: 0, _TIME: None, _MICRO_TIME: None}.get(schema.definition, {})
        return {"string": "", "boolean": False, "integer": 0, "number": 0, "array": [], "object": {}}.get(schema.json_type)


def go_type(definition: str) -> str:
    """A definition's Go type: "v1.PodSpec" of "io.k8s.api.core.v1.PodSpec"."""
    return ".".join(definition.split(".")[-2:])


def _path(place: Place) -> str:
    """A place as Kubernetes writes it: `spec.containers[0].name`."""
    steps: list[str] = []
    while place is not None:
        place, step = place
        steps.append(f"[{step}]" if isinstance(step, int) else f".{step}")
    return "".join(reversed(steps)).removeprefix(".")


def _mismatch(value: Any, place: Place, struct: str, expected: str) -> TypeMismatch:
    """Go's UnmarshalTypeError; its path has no indices and no keys of maps."""
    if place is None:
        return TypeMismatch(f"json: cannot unmarshal {_json_name(value)} into Go value of type {expected}")
    fields: list[str] = []
    while place is not None:
        place, step = place
        if isinstance(step, str) and not step.startswith("["):
            fields.append(step)
    where = ".".join([struct, *reversed(fields)])
    return TypeMismatch(f"json: cannot unmarshal {_json_name(value)} into Go struct field {where} of type {expected}")


def _json_name(value: Any) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "bool", int: "number", float: "number"}
    return names.get(type(value), "null")


def _object(fields: dict[str, Visit], expected: str, dropped: frozenset[str], written: dict[str, Zero]) -> Visit:
    """`dropped`: fields that are left out when they are empty; `written`: those that are there also when they are unset."""

    def visit(value: Any, place: Place, unknown: list[str]) -> Any:
        if type(value) is not dict:
            raise _mismatch(value, place, expected.rpartition(".")[2], expected)
        result: Json = {}
        for key, item in value.items():
            field = fields.get(key)
            if field is None:
                unknown.append(_path((place, key)))
            elif item is not None and (item or key not in dropped or type(item) not in _CONTAINERS):
                result[key] = field(item, (place, key), unknown)
        for key, zero in written.items():
            if key not in result:
                result[key] = zero
        return result

    return visit


_CONTAINERS = frozenset({dict, list})


def _in_struct(visit: Visit, struct: str, expected: str) -> Visit:
    """An object inside another: an error names the struct that has the field."""

    def visit_field(value: Any, place: Place, unknown: list[str]) -> Any:
        if type(value) is not dict:
            raise _mismatch(value, place, struct, expected)
        return visit(value, place, unknown)

    return visit_field


def _string(struct: str) -> Visit:
    def visit(value: Any, place: Place, unknown: list[str]) -> Any:
        if type(value) is not str:
            raise _mismatch(value, place, struct, "string")
        return value

    return visit


def _bytes(struct: str) -> Visit:
    def visit(value: Any, place: Place, unknown: list[str]) -> Any:
        if type(value) is not str:
            raise _mismatch(value, place, struct, "[]uint8")
        try:
            b64decode(value, validate=True)
        except (Base64Error, ValueError) as error:
            # Go skips line ends inside base64.
            joined = value.replace("\n", "").replace("\r", "")
            if joined != value:
                return visit(joined, place, unknown)
            raise TypeMismatch(f"illegal base64 data at input byte {_bad_base64(value)}") from error
        return value

    return visit


def _bad_base64(value: str) -> int:
    """Where the first character that is not base64's stands, or the last group of four when that is short."""
    for index, letter in enumerate(value):
        if not (letter.isascii() and (letter.isalnum() or letter in "+/")):
            return index
    return len(value) // 4 * 4


def _boolean(struct: str) -> Visit:
    def visit(value: Any, place: Place, unknown: list[str]) -> Any:
        if type(value) is not bool:
            raise _mismatch(value, place, struct, "bool")
        return value

    return visit


def _integer(struct: str, form: str) -> Visit:
    limit = _RANGES.get(form, 2**63)

    def visit(value: Any, place: Place, unknown: list[str]) -> Any:
        if type(value) is int and -limit <= value < limit:
            return value
        error = _mismatch(value, place, struct, form)
        if type(value) in (int, float):
            error = TypeMismatch(str(error).replace("unmarshal number", f"unmarshal number {value}", 1))
        raise error

    return visit


def _number(struct: str) -> Visit:
    def visit(value: Any, place: Place, unknown: list[str]) -> Any:
        if type(value) not in (int, float):
            raise _mismatch(value, place, struct, "float64")
        return value

    return visit


def _array(item: Visit, struct: str, expected: str, zero: Any) -> Visit:
    def visit(value: Any, place: Place, unknown: list[str]) -> Any:
        if type(value) is not list:
            raise _mismatch(value, place, struct, expected)
        return [_element(item, element, zero, (place, index), unknown) for index, element in enumerate(value)]

    return visit


def _map(item: Visit, struct: str, expected: str, zero: Any) -> Visit:
    def visit(value: Any, place: Place, unknown: list[str]) -> Any:
        if type(value) is not dict:
            raise _mismatch(value, place, struct, expected)
        return {key: _element(item, element, zero, (place, f"[{key}]"), unknown) for key, element in value.items()}

    return visit


def _element(item: Visit, element: Any, zero: Any, place: Place, unknown: list[str]) -> Any:
    """An element of a list or map; a null is the zero value, made anew: whoever gets it may change it."""
    if element is None:
        return None if zero is None else item(zero, place, unknown)
    return item(element, place, unknown)


def _timed(canonical: Callable[[str], str]) -> Visit:
    def visit(value: Any, place: Place, unknown: list[str]) -> Any:
        if type(value) is not str:
            raise TypeMismatch(f"json: cannot unmarshal {_json_name(value)} into Go value of type string")
        try:
            return canonical(value)
        except InvalidScalar as error:
            raise TypeMismatch(str(error)) from error

    return visit


def _visit_quantity(value: Any, place: Place, unknown: list[str]) -> Any:
    try:
        return canonical_quantity(value if type(value) is str else _json_text(value))
    except InvalidScalar as error:
        raise TypeMismatch(str(error)) from error


def _json_text(value: Any) -> str:
    return str(value) if type(value) in (int, float) else _json_name(value)


def _visit_int_or_string(value: Any, place: Place, unknown: list[str]) -> Any:
    if type(value) is str or (type(value) is int and -(2**31) <= value < 2**31):
        return value
    number = f" {value}" if type(value) in (int, float) else ""
    raise TypeMismatch(f"json: cannot unmarshal {_json_name(value)}{number} into Go value of type int32")


def _either(schema_props: Visit, other: type) -> Visit:
    """A schema, or: a list of schemas, a boolean, or a list of strings."""

    def visit(value: Any, place: Place, unknown: list[str]) -> Any:
        if type(value) is dict:
            return schema_props(value, place, unknown)
        if other is bool and type(value) is bool:
            return value
        if other is list and type(value) is list:
            return [schema_props(item, (place, index), unknown) for index, item in enumerate(value)]
        if other is str and type(value) is list and all(type(item) is str for item in value):
            return value
        forms = {bool: "boolean JSON value expected", list: "expected object or array", str: "expected object or string array"}
        raise TypeMismatch(forms[other])

    return visit


def _visit_anything(value: Any, place: Place, unknown: list[str]) -> Any:
    return value
