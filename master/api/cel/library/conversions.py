"""Conversions between types: `int(x)`, `string(x)`, …; `type(x)` and `dyn(x)`."""

import math
from datetime import datetime
from decimal import Decimal
from typing import Any

from master.api.cel import cost
from master.api.cel.declarations import define, name_of
from master.api.cel.errors import EvaluationError
from master.api.cel.library.times import format_duration, format_timestamp
from master.api.cel.values import Duration, TypeValue, Uint, int_checked, uint_checked

#: From so many digits on Go's %g writes an exponent.
_EXPONENT_FROM = 6


def _int_of_double(value: float) -> int:
    if math.isnan(value) or math.isinf(value) or not -(2.0**63) < value < 2.0**63:
        raise EvaluationError("integer overflow")
    return int(value)


def _uint_of_double(value: float) -> Uint:
    if math.isnan(value) or math.isinf(value) or not 0 <= value < 2.0**64:
        raise EvaluationError("unsigned integer overflow")
    return Uint(int(value))


def _int_of_string(text: str) -> int:
    if not text.lstrip("+-").isdigit() or not text.isascii() or len(text) - len(text.lstrip("+-")) > 1 or len(text) > 24:
        raise EvaluationError(f'strconv.ParseInt: parsing "{text[:64]}": invalid syntax')
    return int_checked(int(text))


def _uint_of_string(text: str) -> Uint:
    if not (text.isascii() and text.isdigit() and len(text) <= 24):
        raise EvaluationError(f'strconv.ParseUint: parsing "{text[:64]}": invalid syntax')
    return uint_checked(int(text))


def _double_of_string(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise EvaluationError(f'strconv.ParseFloat: parsing "{text[:64]}": invalid syntax') from None


def _bool_of_string(text: str) -> bool:
    if text in ("1", "t", "T", "true", "TRUE", "True"):
        return True
    if text in ("0", "f", "F", "false", "FALSE", "False"):
        return False
    raise EvaluationError(f'strconv.ParseBool: parsing "{text[:64]}": invalid syntax')


def string_of(value: Any) -> str:
    """What `string(x)` gives."""
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return format_double(value)
        case bytes():
            try:
                return value.decode()
            except UnicodeDecodeError:
                raise EvaluationError("invalid UTF-8 in bytes, cannot convert to string") from None
        case datetime():
            return format_timestamp(value)
        case Duration():
            return format_duration(value)
        case Uint():
            return str(int(value))
    return str(value)


def format_double(value: float) -> str:
    """The shortest form, as Go's fmt writes %g: with an exponent below 0.0001 and from a million on."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    power = len(digits) + int(exponent) - 1
    if value == 0 or -4 <= power < _EXPONENT_FROM:
        return plain_double(value)
    text = "".join(map(str, digits))
    fraction = f".{text[1:]}" if len(text) > 1 else ""
    return f"{'-' if sign else ''}{text[0]}{fraction}e{'-' if power < 0 else '+'}{abs(power):02d}"


def plain_double(value: float) -> str:
    """The shortest form without an exponent; "Infinity" for what is endless."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    text = f"{Decimal(repr(value)):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _type_of(value: Any) -> TypeValue:
    from master.api.cel.library import OPAQUE_NAMES

    return TypeValue(name_of(value, OPAQUE_NAMES))


def _same(value: Any) -> Any:
    return value


OVERLOADS = (
    define("int", "(int) -> int", _same),
    define("int", "(uint) -> int", lambda value: int_checked(int(value))),
    define("int", "(double) -> int", _int_of_double),
    define("int", "(string) -> int", _int_of_string),
    define("int", "(duration) -> int", lambda value: value.nanoseconds),
    define("int", "(timestamp) -> int", lambda value: int(value.timestamp() // 1)),
    define("uint", "(uint) -> uint", _same),
    define("uint", "(int) -> uint", lambda value: uint_checked(value)),
    define("uint", "(double) -> uint", _uint_of_double),
    define("uint", "(string) -> uint", _uint_of_string),
    define("double", "(double) -> double", _same),
    define("double", "(int) -> double", float),
    define("double", "(uint) -> double", float),
    define("double", "(string) -> double", _double_of_string),
    define("bool", "(bool) -> bool", _same),
    define("bool", "(string) -> bool", _bool_of_string),
    *(
        define("string", f"({kind}) -> string", string_of)
        for kind in ("string", "bool", "int", "uint", "double", "timestamp", "duration", "net.IP", "net.CIDR")
    ),
    define("string", "(bytes) -> string", string_of, cost.of_first),
    define("bytes", "(bytes) -> bytes", _same),
    define("bytes", "(string) -> bytes", lambda value: value.encode(), cost.of_first),
    define("type", "(A) -> type(A)", _type_of),
    define("dyn", "(A) -> dyn", _same),
)
