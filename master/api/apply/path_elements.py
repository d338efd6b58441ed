"""Path elements: the steps from an object to its fields, in the text form of FieldsV1.

    f:name              a field or a map's key
    k:{"name":"x"}      the element of a list that has these keys
    v:"x"               the element of a set
    i:0                 an index (Kubernetes reads but never writes it)

Source: sigs.k8s.io/structured-merge-diff fieldpath/serialize-pe.go, element.go.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson

from master.api.schema.merge_types import ListType

Path = tuple[str, ...]

#: What Go's encoder escapes in strings beyond JSON's own rules.
_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
#: Characters of a value that a message shows.
_LONGEST_VALUE = 200
_ORDER = {"f": 0, "k": 1, "v": 2, "i": 3}


class NoPathElement(ValueError):
    """An element of a list that cannot be told from the others; says why."""


def field(name: str) -> str:
    """The element of a field or of a map's key."""
    return f"f:{name}"


def item(kind: ListType, value: Any) -> str:
    """The element of an item of a list that is not atomic. Raises NoPathElement."""
    if not kind.keys:
        if value is None:
            raise NoPathElement("associative list without keys has an element that's an explicit null")
        if isinstance(value, dict):
            raise NoPathElement("associative list without keys has an element that's a map type")
        if isinstance(value, list):
            raise NoPathElement("not supported: associative list with lists as elements")
        return f"v:{_json(value)}"
    if type(value) is not dict:
        what = "a null element" if value is None else "non-map elements"
        raise NoPathElement(f"associative list with keys may not have {what}")
    if len(kind.keys) == 1:
        found = value.get(kind.keys[0])
        if type(found) is str:
            return named(kind.keys[0], found)
    keys = {}
    for name in sorted(kind.keys):
        if name in value:
            keys[name] = value[name]
        elif name in kind.defaults:
            keys[name] = kind.defaults[name]
    if not keys:
        listed = "[" + " ".join(f'"{name}"' for name in kind.keys) + "]"
        raise NoPathElement(
            f"associative list with keys has an element that omits all key fields {listed} "
            "(and doesn't have default values for any key fields)"
        )
    return f"k:{_json(keys)}"


@lru_cache(maxsize=4096)
def named(key: str, name: str) -> str:
    """The element of an item whose only key is a string."""
    return f'k:{{"{key}":{_json(name)}}}'


def _json(value: Any) -> str:
    text = orjson.dumps(value).decode()
    if "<" in text or ">" in text or "&" in text or not text.isascii():
        for letter, escaped in _ESCAPES.items():
            text = text.replace(letter, escaped)
    return text


@lru_cache(maxsize=4096)
def canonical(element: str) -> str | None:
    """An element that a client wrote, as it is written here; None for a kind that is not known. Raises NoPathElement."""
    if len(element) < 2:
        raise NoPathElement("key must be 2 characters long:")
    if element[1] != ":":
        raise NoPathElement(f"missing colon: {element}")
    kind, text = element[0], element[2:]
    if kind == "f":
        return element
    if kind not in _ORDER:
        return None
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise NoPathElement(f"{element}: {error}") from error
    if kind == "k":
        if not isinstance(value, dict):
            raise NoPathElement(f"{element}: not an object")
        value = dict(sorted(value.items()))
    if kind == "i" and type(value) is not int:
        raise NoPathElement(f"{element}: not an index")
    return f"{kind}:{_json(value)}"


def ordered(elements: Iterable[str]) -> list[str]:
    """Elements in Kubernetes' order: the node itself, fields, keys, values, indices; each by its value."""
    found = list(elements)
    if all(element[0] in "f." for element in found):
        return sorted(found)
    return sorted(found, key=_rank)


@lru_cache(maxsize=4096)
def _rank(element: str) -> tuple[int, Any]:
    if element == ".":
        return -1, ""
    kind, text = element[0], element[2:]
    if kind == "f":
        return 0, text
    value = orjson.loads(text)
    if kind == "k":
        return 1, [(name, _value_rank(part)) for name, part in value.items()]
    return _ORDER[kind], _value_rank(value)


def _value_rank(value: Any) -> tuple[int, Any]:
    """A total order over JSON values: numbers, strings, booleans, the rest."""
    if isinstance(value, bool):
        return 2, value
    if isinstance(value, int | float):
        return 0, value
    if isinstance(value, str):
        return 1, value
    return 3, _json(value)


def describe(path: Sequence[str]) -> str:
    """A path as Kubernetes' messages write it: `.spec.containers[name="x"].image`."""
    return "".join(_described(element) for element in path)


def _described(element: str) -> str:
    kind, text = element[0], element[2:]
    if kind == "f":
        return f".{text}"
    if kind == "i":
        return f"[{text}]"
    value = orjson.loads(text)
    if kind == "v":
        return f"[={_quoted(value)}]"
    keys: Mapping[str, Any] = value
    return "[" + ",".join(f"{name}={_quoted(part)}" for name, part in keys.items()) + "]"


def _quoted(value: Any) -> str:
    return "null" if value is None else orjson.dumps(value).decode()


def go_value(value: Any) -> str:
    """A value as Go's %v writes it, short enough for a message."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        text = "map[" + " ".join(f"{name}:{go_value(part)}" for name, part in sorted(value.items())) + "]"
    elif isinstance(value, list):
        text = "[" + " ".join(go_value(part) for part in value) + "]"
    else:
        text = "<nil>" if value is None else str(value)
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "..."


def go_type(value: Any) -> str:
    """What Go's %T calls a JSON value."""
    if isinstance(value, bool):
        return "bool"
    names = {str: "string", int: "int64", float: "float64", list: "[]interface {}", dict: "map[string]interface {}"}
    return names.get(type(value), "<nil>")
