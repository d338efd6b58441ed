"""Paths inside a schema as rules and selectable fields write them: ".spec.replicas", ".spec['a.b']"."""

import re

from master.api.custom_resources.structural.schema import Json, additional_of, properties_of

_TOKEN = re.compile(r"'(?:[^'\\]|\\.)*'|[.\[\]]|[^.\[\]']+")
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "'": "'", "\\": "\\"}


class InvalidFieldPath(ValueError):
    """The path is no path, or names nothing that the schema has."""


def resolve(path: str, schema: Json, *, brackets: bool = True) -> tuple[str, tuple[str, ...], Json]:
    """The path as errors show it, its steps, and the schema that it leads to. Raises InvalidFieldPath."""
    tokens = _TOKEN.findall(path)
    if "".join(tokens) != path:
        raise InvalidFieldPath("invalid string literal")
    shown = ""
    steps: list[str] = []
    position = 0
    while position < len(tokens):
        token = tokens[position]
        following = tokens[position + 1] if position + 1 < len(tokens) else None
        if token == ".":
            if following is None:
                raise InvalidFieldPath("unexpected end of JSON path")
            name, position = following, position + 2
        elif token == "[":
            if not brackets:
                raise InvalidFieldPath("array notation is not allowed")
            if following is None:
                raise InvalidFieldPath("unexpected end of JSON path")
            if not (len(following) >= 2 and following.startswith("'")):
                raise InvalidFieldPath(f"expected single quoted string but got {following}")
            name = _unescaped(following[1:-1])
            if tokens[position + 2 : position + 3] != ["]"]:
                raise InvalidFieldPath("expected ] but got: " + "".join(tokens[position + 2 : position + 3]))
            position += 3
        else:
            raise InvalidFieldPath(f"expected [ or . but got: {token}")
        properties, additional = properties_of(schema), additional_of(schema)
        if properties:
            if name not in properties:
                raise InvalidFieldPath("does not refer to a valid field")
            schema = properties[name]
            shown = f"{shown}.{name}" if shown else name
        elif additional is not None:
            schema = additional
            shown = f"{shown}[{name}]"
        else:
            raise InvalidFieldPath("does not refer to a valid field")
        steps.append(name)
    return shown, tuple(steps), schema


def _unescaped(text: str) -> str:
    def replace(match: re.Match[str]) -> str:
        if match.group(1) not in _ESCAPES:
            raise InvalidFieldPath(f"invalid string literal: invalid escape char {match.group()}")
        return _ESCAPES[match.group(1)]

    return re.sub(r"\\(.)", replace, text)
