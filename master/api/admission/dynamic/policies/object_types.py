"""CEL's types of whole objects of the served kinds, for type checking of policies. Imported when a policy is written."""

from master.api.cel.schema_types import escaped, type_of_schema
from master.api.cel.types import BOOL, BYTES, DOUBLE, DYN, INT, STRING, TIMESTAMP, Field, Type, list_of, map_of, object_type
from master.api.kinds.kind import Kind
from master.api.schema.definitions import Schema
from master.api.schema.schemas import Schemas

_TIMES = frozenset({"io.k8s.apimachinery.pkg.apis.meta.v1.Time", "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime"})
_METADATA = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


class ObjectTypes:
    """Types are made once a definition; those that refer to themselves too."""

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas
        self._known: dict[str, Type] = {}

    def of(self, kind: Kind) -> Type:
        """DYN when its schema is not known."""
        if kind.schema is None:
            return DYN if kind.is_custom else self._definition(kind.definition)
        made = type_of_schema(dict(kind.schema), name=f"{kind.api_version}.{kind.kind}")
        if made is None or made.kind != "object":
            return DYN
        own = {"apiVersion": STRING, "kind": STRING, "metadata": self._definition(_METADATA)}
        return object_type(made.name, {**made.fields, **{name: Field(one, name) for name, one in own.items()}})

    def _definition(self, name: str) -> Type:
        if name in _TIMES:
            return TIMESTAMP
        found = self._known.get(name)
        if found is not None:
            return found
        schema = self._schemas.definition(name)
        if not schema.properties:
            made = self._known[name] = self._schema(schema)
            return made
        fields: dict[str, Field] = {}
        made = self._known[name] = object_type(name, fields)
        for field, property_ in schema.properties.items():
            shown = escaped(field)
            if shown is not None:
                fields[shown] = Field(self._schema(property_), field)
        return made

    def _schema(self, schema: Schema) -> Type:
        if schema.ref:
            return self._definition(schema.definition)
        match schema.json_type:
            case "string":
                return BYTES if schema.format == "byte" else STRING if schema.format != "int-or-string" else DYN
            case "integer":
                return INT
            case "number":
                return DOUBLE
            case "boolean":
                return BOOL
            case "array":
                return list_of(self._schema(schema.items) if schema.items else DYN)
            case "object" if schema.additional is not None:
                return map_of(STRING, self._schema(schema.additional))
        return DYN
