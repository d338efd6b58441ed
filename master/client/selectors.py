"""Label and field selectors: the string forms of the API's queries, metav1.LabelSelector, and plain label maps.

Shared by the API (which parses what clients send), informers and controllers (which match typed objects).
Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors and .../field-selectors/
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from lightkube.models import meta_v1

Operator = Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
_OPERATORS = frozenset(get_args(Operator))

_NAME = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]\Z")
_DOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")
_TOKEN = re.compile(r"\s*(?P<symbol>==|!=|=|!|,|\(|\)|>|<)|\s*(?P<word>[^\s=!,()<>]+)|\s*(?P<end>\Z)")
_INTEGER = re.compile(r"[+-]?\d+\Z")


class InvalidSelector(ValueError):
    """A selector that Kubernetes refuses with 400; the text is its message."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on a label."""

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """`NotIn` and `DoesNotExist` hold for a label that is absent, the others do not."""
        value = labels.get(self.key)
        match self.operator:
            case "In":
                return value is not None and value in self.values
            case "NotIn":
                return value is None or value not in self.values
            case "Exists":
                return value is not None
            case "DoesNotExist":
                return value is None
            case "Gt" | "Lt":
                return value is not None and self._compares(value)

    def _compares(self, value: str) -> bool:
        bound = next(iter(self.values), "")
        if not _INTEGER.match(value) or not _INTEGER.match(bound):
            return False
        return int(value) > int(bound) if self.operator == "Gt" else int(value) < int(bound)


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """All requirements must hold; none at all selects everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        labels = labels or {}
        return all(requirement.matches(labels) for requirement in self.requirements)

    def __bool__(self) -> bool:
        """Whether it restricts anything."""
        return bool(self.requirements)


class _Nothing(LabelSelector):
    """What an absent metav1.LabelSelector selects."""

    __slots__ = ()

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        return False

    def __bool__(self) -> bool:
        return True


EVERYTHING = LabelSelector()
NOTHING: LabelSelector = _Nothing()


def of_map(labels: Mapping[str, str] | None) -> LabelSelector:
    """A map's selector: all of these labels with these values. An empty or absent map selects everything."""
    return LabelSelector(tuple(Requirement(key, "In", frozenset((value,))) for key, value in (labels or {}).items()))


def of_model(selector: meta_v1.LabelSelector | None) -> LabelSelector:
    """A metav1.LabelSelector: absent selects nothing, empty everything. Raises InvalidSelector."""
    if selector is None:
        return NOTHING
    requirements = list(of_map(selector.matchLabels).requirements)
    requirements += [
        requirement(expression.key, expression.operator, expression.values or ())
        for expression in selector.matchExpressions or ()
    ]
    return LabelSelector(tuple(requirements))


def requirement(key: str, operator: str, values: "tuple[str, ...] | list[str]") -> Requirement:
    """A requirement of a typed object, such as a node selector's. Raises InvalidSelector."""
    if operator not in _OPERATORS:
        raise InvalidSelector(f'"{operator}" is not a valid label selector operator')
    return Requirement(key, operator, frozenset(values))  # type: ignore[arg-type]


def parse_labels(text: str) -> LabelSelector:
    """The string form: "a=b,c!=d,e in (x,y),f notin (z),g,!h,i>1". Raises InvalidSelector."""
    return _Parser(text).selector()


def format_labels(labels: Mapping[str, str]) -> str:
    """A map in the string form."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


class _Parser:
    """Recursive descent over the grammar in apimachinery's labels package."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, bool]] = []  # text, whether it is a symbol; ("", True) is the end
        position = 0
        while True:
            match = _TOKEN.match(text, position)
            assert match is not None, "some branch of the pattern always matches"
            position = match.end()
            if match.group("end") is not None:
                break
            symbol = match.group("symbol")
            self._tokens.append((symbol, True) if symbol else (match.group("word"), False))
        self._tokens.append(("", True))
        self._at = 0

    def selector(self) -> LabelSelector:
        requirements: list[Requirement] = []
        if self._peek() == ("", True):
            return EVERYTHING
        while True:
            requirements.append(self._requirement())
            token = self._next()
            if token == ("", True):
                return LabelSelector(tuple(requirements))
            if token != (",", True):
                raise self._unexpected(token, "',' or 'end of string'")
            following = self._peek()
            if following[1] and following[0] != "!":
                raise self._unexpected(following, "identifier after ','")

    def _requirement(self) -> Requirement:
        absent = self._take("!")
        key, symbol = self._next()
        if symbol:
            raise self._unexpected((key, symbol), "!, identifier, or 'end of string'" if not absent else "identifier")
        _check_key(key)
        if absent:
            return Requirement(key, "DoesNotExist")
        following, symbol = self._peek()
        if symbol and following in ("", ","):
            return Requirement(key, "Exists")
        return self._comparison(key)

    def _comparison(self, key: str) -> Requirement:
        operator = self._next()
        match operator:
            case ("=" | "==", True):
                return Requirement(key, "In", frozenset((self._value(),)))
            case ("!=", True):
                return Requirement(key, "NotIn", frozenset((self._value(),)))
            case ("in", False):
                return Requirement(key, "In", self._values())
            case ("notin", False):
                return Requirement(key, "NotIn", self._values())
            case (">" | "<" as sign, True):
                value = self._value()
                if not _INTEGER.match(value):
                    raise InvalidSelector(
                        f"unable to parse requirement: values[0][{key}]: Invalid value: \"{value}\": for 'Gt', 'Lt' "
                        "operators, the value must be an integer"
                    )
                return Requirement(key, "Gt" if sign == ">" else "Lt", frozenset((value,)))
        raise self._unexpected(operator, "in, notin, =, ==, !=, gt, lt")

    def _value(self) -> str:
        """One value; nothing at all is the empty value."""
        text, symbol = self._peek()
        if symbol:
            if text in ("", ","):
                return ""
            raise self._unexpected((text, symbol), "identifier")
        self._at += 1
        _check_value(text)
        return text

    def _values(self) -> frozenset[str]:
        if not self._take("("):
            raise self._unexpected(self._next(), "'('")
        values = set()
        while True:
            text, symbol = self._next()
            if symbol and text in (",", ")"):
                values.add("")
            elif symbol:
                raise self._unexpected((text, symbol), "',', ')' or identifier")
            else:
                _check_value(text)
                values.add(text)
                text, symbol = self._next()
            if (text, symbol) == (")", True):
                return frozenset(values)
            if (text, symbol) != (",", True):
                raise self._unexpected((text, symbol), "',' or ')'")

    def _peek(self) -> tuple[str, bool]:
        return self._tokens[self._at]

    def _next(self) -> tuple[str, bool]:
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _take(self, symbol: str) -> bool:
        if self._peek() != (symbol, True):
            return False
        self._at += 1
        return True

    @staticmethod
    def _unexpected(token: tuple[str, bool], expected: str) -> InvalidSelector:
        return InvalidSelector(f"unable to parse requirement: found '{token[0]}', expected: {expected}")


def _check_key(key: str) -> None:
    prefix, slash, name = key.rpartition("/")
    if (slash and (len(prefix) > 253 or not _DOMAIN.match(prefix))) or len(name) > 63 or not _NAME.match(name):
        raise InvalidSelector(
            f'unable to parse requirement: <nil>: Invalid value: "{key}": name part must consist of alphanumeric characters, '
            "'-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or "
            "'123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
        )


def _check_value(value: str) -> None:
    if len(value) > 63 or not _NAME.match(value):
        raise InvalidSelector(
            f'unable to parse requirement: <nil>: Invalid value: "{value}": a valid label must be an empty string or consist '
            "of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. "
            "'MyValue',  or 'my_value',  or '12345', regex used for validation is "
            "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
        )


@dataclass(frozen=True, slots=True)
class FieldRequirement:
    """One condition on a field; `equal` False for `!=`."""

    field: str
    value: str
    equal: bool


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """All requirements must hold. Which fields a kind knows is the API's matter."""

    requirements: tuple[FieldRequirement, ...] = ()

    def matches(self, field: Callable[[str], str]) -> bool:
        """`field` gives a field's value by its path, "" when it is not set."""
        return all((field(required.field) == required.value) is required.equal for required in self.requirements)

    def __bool__(self) -> bool:
        return bool(self.requirements)


_FIELD_TERM = re.compile(r"((?:[^\\,]|\\.)*)(,|\Z)", re.DOTALL)
_FIELD_PARTS = re.compile(r"((?:[^\\=!]|\\.|!(?!=))*)(!=|==|=)((?:[^\\=]|\\.)*)\Z", re.DOTALL)
_TO_ESCAPE = re.compile(r"[,=\\]")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def parse_fields(text: str) -> FieldSelector:
    r"""The string form: "metadata.name=a,status.phase!=Running", with `\,` `\=` `\\` in values. Raises InvalidSelector."""
    requirements = []
    position = 0
    while position < len(text):
        term = _FIELD_TERM.match(text, position)
        if term is None:
            raise InvalidSelector(f"invalid field selector: '{text}'; can't understand '{text[position:]}'")
        position = term.end()
        if not term.group(1):
            continue
        parts = _FIELD_PARTS.match(term.group(1))
        if parts is None:
            raise InvalidSelector(f"invalid selector: '{text}'; can't understand '{term.group(1)}'")
        field, operator, value = parts.groups()
        requirements.append(FieldRequirement(field.strip(), _ESCAPED.sub(r"\1", value), operator != "!="))
    return FieldSelector(tuple(requirements))


def format_fields(fields: Mapping[str, str]) -> str:
    """A map in the string form."""
    return ",".join(field + "=" + _TO_ESCAPE.sub(r"\\\g<0>", value) for field, value in sorted(fields.items()))
