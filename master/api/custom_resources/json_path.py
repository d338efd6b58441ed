"""The JSONPath subset of printer columns, selectable fields and scale: k8s.io/client-go/util/jsonpath without functions.

`.spec.a`, `['a.b']`, `[0]`, `[-1]`, `[0:2]`, `[*]`, `.*`, `..a` and filters like `[?(@.type=="Ready")].status`.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

Step = Callable[[list[Any]], list[Any]]

_PART = re.compile(
    r"""\.\.(?P<deep>[A-Za-z0-9_\-/$]+|\*)
    |\.(?P<name>(?:[^.\[\]\\]|\\.)+)
    |\[\?\((?P<filter>.*?)\)\]
    |\[(?P<quoted>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\]
    |\[(?P<slice>-?\d*:-?\d*(?::-?\d+)?)\]
    |\[(?P<index>-?\d+(?:,-?\d+)*)\]
    |\[(?P<all>\*)\]
    |(?P<dot>\.)\Z""",
    re.VERBOSE,
)
_FILTER = re.compile(r"\s*(?P<left>@[^\s=!<>]*|'[^']*'|\"[^\"]*\")\s*(?:(?P<operator>==|!=|<=|>=|<|>)\s*(?P<right>.+?)\s*)?\Z")
#: What one path may visit.
_MAX_VISITED = 10_000


class InvalidPath(ValueError):
    """The text is no path of the subset."""


@lru_cache(maxsize=1_024)
def compile_path(path: str) -> Callable[[Any], list[Any]]:
    """The function that finds a path's values; absent fields have none. Raises InvalidPath."""
    steps: list[Step] = []
    position = 0
    while position < len(path):
        match = _PART.match(path, position)
        if match is None:
            raise InvalidPath(f"unrecognized path {path!r} at {position}")
        steps.append(_step(match))
        position = match.end()

    def find(value: Any) -> list[Any]:
        values = [value]
        for step in steps:
            values = step(values)[:_MAX_VISITED]
        return values

    return find


def _step(match: re.Match[str]) -> Step:
    group = match.groupdict()
    if group["deep"]:
        return _recursive(group["deep"])
    if group["name"]:
        name = re.sub(r"\\(.)", r"\1", group["name"])
        return _everything if name == "*" else _field(name)
    if group["quoted"]:
        return _field(re.sub(r"\\(.)", r"\1", group["quoted"][1:-1]))
    if group["filter"]:
        return _filtered(group["filter"])
    if group["slice"]:
        parts = [int(part) if part else None for part in group["slice"].split(":")]
        if len(parts) == 3 and parts[2] == 0:
            raise InvalidPath("slice step cannot be zero")
        return lambda values: [item for value in values if isinstance(value, list) for item in value[slice(*parts)]]
    if group["index"]:
        wanted = [int(part) for part in group["index"].split(",")]
        return lambda values: [
            value[index]
            for value in values
            if isinstance(value, list)
            for index in wanted
            if -len(value) <= index < len(value)
        ]
    if group["dot"]:
        return lambda values: values
    return _everything


def _field(name: str) -> Step:
    return lambda values: [value[name] for value in values if isinstance(value, dict) and name in value]


def _everything(values: list[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if isinstance(value, dict):
            found.extend(value.values())
        elif isinstance(value, list):
            found.extend(value)
    return found


def _descendants(value: Any) -> Iterator[Any]:
    waiting, visited = [value], 0
    while waiting and visited < _MAX_VISITED:
        current = waiting.pop()
        visited += 1
        yield current
        if isinstance(current, dict):
            waiting.extend(reversed(list(current.values())))
        elif isinstance(current, list):
            waiting.extend(reversed(current))


def _recursive(name: str) -> Step:
    def step(values: list[Any]) -> list[Any]:
        everything = [found for value in values for found in _descendants(value)]
        return _everything(everything) if name == "*" else _field(name)(everything)

    return step


def _filtered(text: str) -> Step:
    match = _FILTER.match(text)
    if match is None:
        raise InvalidPath(f"unrecognized filter {text!r}")
    left = _operand(match["left"])
    operator = match["operator"]
    right = _operand(match["right"]) if operator else None

    def holds(item: Any) -> bool:
        found = left(item)
        if right is None:
            return bool(found)
        other = right(item)
        return bool(found and other) and _compare(operator, found[0], other[0])

    def step(values: list[Any]) -> list[Any]:
        return [item for item in _everything(values) if holds(item)]

    return step


def _operand(text: str) -> Callable[[Any], list[Any]]:
    if text.startswith("@"):
        return compile_path(text[1:]) if len(text) > 1 else lambda item: [item]
    if text[:1] in "'\"" and text[-1:] == text[:1] and len(text) > 1:
        constant: Any = text[1:-1]
    elif text in ("true", "false"):
        constant = text == "true"
    else:
        try:
            constant = float(text)
        except ValueError:
            raise InvalidPath(f"unrecognized value {text!r}") from None
    return lambda item: [constant]


def _compare(operator: str, left: Any, right: Any) -> bool:
    try:
        match operator:
            case "==":
                return bool(left == right)
            case "!=":
                return bool(left != right)
            case "<":
                return bool(left < right)
            case "<=":
                return bool(left <= right)
            case ">":
                return bool(left > right)
        return bool(left >= right)
    except TypeError:
        return False


def printed(value: Any) -> str:
    """A value as kubectl's JSONPath prints it: text as it is, the rest as JSON."""
    import orjson

    if isinstance(value, str):
        return value
    return orjson.dumps(value).decode()
