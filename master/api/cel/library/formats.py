"""Named formats: format.dns1123Label().validate(x), format.named(x); also what a schema's `format` means (`valid_format`)."""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from master.api.cel import cost
from master.api.cel.declarations import define
from master.api.cel.errors import EvaluationError
from master.api.cel.library import times
from master.api.cel.library.urls import NoUrl
from master.api.cel.library.urls import parse as parse_url
from master.api.cel.values import ABSENT, Present
from master.api.kinds.rules import names

_UUID = re.compile(r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}\Z")


@dataclass(frozen=True, slots=True)
class Format:
    """`regex_size`: how long the pattern counts in costs."""

    name: str
    problems: Callable[[str], list[str]]
    regex_size: int


def _prefix(rule: Callable[[str], list[str]]) -> Callable[[str], list[str]]:
    """The rule of a prefix for generated names: a dash at its end is fine."""
    return lambda text: rule(text[:-1] + "a" if text.endswith("-") else text)


def _uri(text: str) -> list[str]:
    try:
        parse_url(text)
    except NoUrl as error:
        return [str(error)]
    return []


def _when(valid: Callable[[str], bool], message: str) -> Callable[[str], list[str]]:
    return lambda text: [] if valid(text) else [message]


def is_base64(text: str) -> bool:
    try:
        b64decode(text, validate=True)
    except (Base64Error, ValueError):
        return False
    return True


def is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return len(text) == 10


def is_datetime(text: str) -> bool:
    try:
        times.parse_timestamp(text.upper())
    except EvaluationError:
        return False
    return True


FORMATS = {
    "dns1123Label": Format("DNS1123Label", names.dns1123_label, 30),
    "dns1123Subdomain": Format("DNS1123Subdomain", names.dns1123_subdomain, 60),
    "dns1035Label": Format("DNS1035Label", names.dns1035_label, 30),
    "qualifiedName": Format("QualifiedName", names.qualified_name, 60),
    "dns1123LabelPrefix": Format("DNS1123LabelPrefix", _prefix(names.dns1123_label), 30),
    "dns1123SubdomainPrefix": Format("DNS1123SubdomainPrefix", _prefix(names.dns1123_subdomain), 60),
    "dns1035LabelPrefix": Format("DNS1035LabelPrefix", _prefix(names.dns1035_label), 30),
    "labelValue": Format("LabelValue", names.label_value, 40),
    "uri": Format("URI", _uri, 1000),
    "uuid": Format("uuid", _when(lambda text: _UUID.match(text) is not None, "does not match the UUID format"), 80),
    "byte": Format("byte", _when(is_base64, "invalid base64"), 80),
    "date": Format("date", _when(is_date, "invalid date"), 80),
    "datetime": Format("datetime", _when(is_datetime, "invalid datetime"), 80),
}


def _named(name: str) -> Any:
    found = FORMATS.get(name)
    return Present(found) if found is not None else ABSENT


def _validate(form: Format, text: str) -> Any:
    problems = form.problems(text)
    return Present(problems) if problems else ABSENT


def _cost(arguments: tuple[Any, ...], result: Any) -> int:
    return cost.regex_cost(len(arguments[1]), arguments[0].regex_size)


def _constant(form: Format) -> Callable[[], Format]:
    return lambda: form


OVERLOADS = (
    define("validate", "kubernetes.NamedFormat.(string) -> optional(list(string))", _validate, _cost),
    define("format.named", "(string) -> optional(kubernetes.NamedFormat)", _named),
    *(define(f"format.{name}", "() -> kubernetes.NamedFormat", _constant(form)) for name, form in FORMATS.items()),
)
