"""Strings: CEL's own functions, and the extension of version 2 that Kubernetes has since 1.29."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from master.api.cel import cost
from master.api.cel.declarations import define
from master.api.cel.errors import EvaluationError
from master.api.cel.library.conversions import plain_double, string_of
from master.api.cel.values import Duration, check_weight, is_number

_CLAUSE = re.compile(r"%(?:(%)|(?:\.(\d{1,4}))?([a-zA-Z]))")
#: What Go's unicode.IsSpace counts.
_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)


def _char_at(text: str, index: int) -> str:
    if not 0 <= index <= len(text):
        raise EvaluationError(f"index out of range: {index}")
    return text[index : index + 1]


def _index_of(text: str, part: str, start: int = 0) -> int:
    if part == "":
        return start
    if not 0 <= start < max(len(text), 1) and start != 0:
        raise EvaluationError(f"index out of range: {start}")
    return text.find(part, start)


def _last_index_of(text: str, part: str, start: int | None = None) -> int:
    if start is None:
        return _found_last(text, part)
    if not 0 <= start < max(len(text), 1):
        raise EvaluationError(f"index out of range: {start}")
    if part == "":
        return start
    return _found_last(text[: start + len(part)], part)


def _found_last(text: str, part: str) -> int:
    """str.rfind, whose time is the product of both lengths, in the time of str.find, which is their sum."""
    found = text[::-1].find(part[::-1])
    return found if found < 0 else len(text) - found - len(part)


def _ascii(text: str, change: Callable[[bytes], bytes]) -> str:
    """The letters of ASCII changed, as bytes' methods do, at once; translating each character takes a hundred times longer."""
    return change(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")


def _replaced(text: str, old: str, new: str, count: int = -1) -> str:
    occurrences = len(text) + 1 if old == "" else text.count(old)
    if count >= 0:
        occurrences = min(occurrences, count)
    if len(text) + occurrences * len(new) > 10_000_000:
        raise EvaluationError("result too large")
    return text.replace(old, new, count) if count >= 0 else text.replace(old, new)


def _split(text: str, separator: str, limit: int = -1) -> list[str]:
    if limit == 0:
        return []
    if separator == "":
        parts = list(text)
        return parts if limit < 0 or len(parts) <= limit else [*parts[: limit - 1], text[limit - 1 :]]
    return text.split(separator, limit - 1) if limit > 0 else text.split(separator)


def _substring(text: str, start: int, end: int | None = None) -> str:
    end = len(text) if end is None else end
    if not 0 <= start <= len(text):
        raise EvaluationError(f"index out of range: {start}")
    if not 0 <= end <= len(text):
        raise EvaluationError(f"index out of range: {end}")
    if start > end:
        raise EvaluationError(f"invalid substring range. start: {start}, end: {end}")
    return text[start:end]


def _joined(parts: list[Any], separator: str = "") -> str:
    if not all(isinstance(part, str) for part in parts):
        raise EvaluationError("no such overload")
    if sum(map(len, parts)) + len(separator) * len(parts) > 10_000_000:
        raise EvaluationError("result too large")
    return separator.join(parts)


def _quoted(text: str) -> str:
    escapes = {
        "\a": "\\a",
        "\b": "\\b",
        "\f": "\\f",
        "\n": "\\n",
        "\r": "\\r",
        "\t": "\\t",
        "\v": "\\v",
        "\\": "\\\\",
        '"': '\\"',
    }
    return '"' + "".join(escapes.get(char, char) for char in text) + '"'


def _format(template: str, arguments: list[Any]) -> str:
    """printf's clauses that CEL knows: %s %d %f %e %b %o %x %X."""
    check_weight(arguments)
    index = 0
    size = 0

    def clause(match: re.Match[str]) -> str:
        nonlocal index, size
        percent, precision, verb = match.groups()
        if percent:
            return "%"
        if index >= len(arguments):
            raise EvaluationError(f"index {index} out of range")
        value = arguments[index]
        index += 1
        text = _formatted(value, verb, int(precision) if precision else None)
        size += len(text)
        if size > 10_000_000:
            raise EvaluationError("result too large")
        return text

    return _CLAUSE.sub(clause, template)


def _formatted(value: Any, verb: str, precision: int | None) -> str:
    match verb:
        case "s":
            return _shown(value)
        case "d" if isinstance(value, int) and not isinstance(value, bool):
            return str(int(value))
        case "f" | "e" if is_number(value):
            return f"{float(value):.{6 if precision is None else min(precision, 100)}{verb}}"
        case "b" if isinstance(value, int):
            return f"{int(value):b}"
        case "o" if isinstance(value, int) and not isinstance(value, bool):
            return f"{int(value):o}"
        case "x" | "X" if isinstance(value, int) and not isinstance(value, bool):
            return f"{int(value):{verb}}"
        case "x" | "X" if isinstance(value, str | bytes):
            text = (value.encode() if isinstance(value, str) else value).hex()
            return text.upper() if verb == "X" else text
        case "s" | "d" | "f" | "e" | "b" | "o" | "x" | "X":
            raise EvaluationError(f"error during formatting: %{verb} clause cannot be used on this value")
    raise EvaluationError(f'could not parse formatting clause: unrecognized formatting clause "{verb}"')


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, list):
        return "[" + ", ".join(_shown(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_shown(key)}: {_shown(value[key])}" for key in sorted(value, key=str)) + "}"
    if isinstance(value, float):
        return plain_double(value)
    if isinstance(value, str | bool | int | bytes | datetime | Duration):
        return string_of(value)
    return str(value)


OVERLOADS = (
    define("contains", "string.(string) -> bool", lambda text, part: part in text, cost.of_product),
    define("startsWith", "string.(string) -> bool", lambda text, part: text.startswith(part), cost.of_first),
    define("endsWith", "string.(string) -> bool", lambda text, part: text.endswith(part), cost.of_first),
    define("charAt", "string.(int) -> string", _char_at),
    define("indexOf", "string.(string) -> int", _index_of, cost.of_first),
    define("indexOf", "string.(string, int) -> int", _index_of, cost.of_first),
    define("lastIndexOf", "string.(string) -> int", _last_index_of, cost.of_first),
    define("lastIndexOf", "string.(string, int) -> int", _last_index_of, cost.of_first),
    define("lowerAscii", "string.() -> string", lambda text: _ascii(text, bytes.lower), cost.of_first),
    define("upperAscii", "string.() -> string", lambda text: _ascii(text, bytes.upper), cost.of_first),
    define("replace", "string.(string, string) -> string", _replaced, cost.of_first_twice_or_result),
    define("replace", "string.(string, string, int) -> string", _replaced, cost.of_first_twice_or_result),
    define("split", "string.(string) -> list(string)", _split, cost.of_first_twice),
    define("split", "string.(string, int) -> list(string)", _split, cost.of_first_twice),
    define("substring", "string.(int) -> string", _substring, cost.of_first),
    define("substring", "string.(int, int) -> string", _substring, cost.of_first),
    define("trim", "string.() -> string", lambda text: text.strip(_SPACE), cost.of_first),
    define("join", "list(string).() -> string", _joined, cost.of_result_twice),
    define("join", "list(string).(string) -> string", _joined, cost.of_result_twice),
    define("format", "string.(list(dyn)) -> string", _format, cost.of_first_or_result),
    define("strings.quote", "(string) -> string", _quoted, cost.of_first),
)
