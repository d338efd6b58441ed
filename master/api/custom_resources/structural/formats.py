"""What a schema's `format` asks of a string (kube-openapi pkg/validation/strfmt). Unknown formats ask nothing."""

import re
from collections.abc import Callable

from master.api.cel.library.addresses import NoAddress, parse_cidr, parse_ip
from master.api.cel.library.formats import is_base64, is_date, is_datetime
from master.api.cel.library.urls import NoUrl
from master.api.cel.library.urls import parse as parse_url

_HOSTNAME = re.compile(
    r"(?=.{1,255}\Z)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\Z"
)
_EMAIL = re.compile(r"[^@\s\"<>]{1,254}@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?\Z")
_MAC = re.compile(r"(?:[0-9A-Fa-f]{2}([:-]))(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}\Z|(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}\Z")
_DURATION = re.compile(
    r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)\s*(?:ns|nano|us|µs|micro|ms|milli|s|sec|m|min|h|hr|hour|d|day|w|wk|week)s?"
    r"(?:\s*(?:\d+(?:\.\d*)?|\.\d+)\s*(?:ns|nano|us|µs|micro|ms|milli|s|sec|m|min|h|hr|hour|d|day|w|wk|week)s?)*\Z|0\Z"
)
_COLOR = r"#?(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})"
_BYTE = r"(?:0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])"


def _uuid(version: str) -> Callable[[str], bool]:
    third = rf"{version}[0-9a-f]{{3}}" if version else "[0-9a-f]{4}"
    fourth = "[89ab][0-9a-f]{3}" if version in ("4", "5") else "[0-9a-f]{4}"
    return _matching(rf"[0-9a-f]{{8}}-?[0-9a-f]{{4}}-?{third}-?{fourth}-?[0-9a-f]{{12}}", re.IGNORECASE)


def _matching(pattern: str, flags: int = 0) -> Callable[[str], bool]:
    compiled = re.compile(rf"(?:{pattern})\Z", flags)
    return lambda text: compiled.match(text) is not None


def _ip(version: int) -> Callable[[str], bool]:
    def valid(text: str) -> bool:
        try:
            return parse_ip(text).version == version
        except NoAddress:
            return False

    return valid


def _cidr(text: str) -> bool:
    try:
        parse_cidr(text)
    except NoAddress:
        return False
    return True


def _uri(text: str) -> bool:
    try:
        parse_url(text)
    except NoUrl:
        return False
    return True


def _digits(text: str, length: int) -> str:
    digits = text.replace("-", "").replace(" ", "")
    return digits if len(digits) == length else ""


def _isbn10(text: str) -> bool:
    digits = _digits(text, 10)
    if not re.fullmatch(r"\d{9}[\dXx]", digits):
        return False
    return sum((10 - i) * (10 if c in "Xx" else int(c)) for i, c in enumerate(digits)) % 11 == 0


def _isbn13(text: str) -> bool:
    digits = _digits(text, 13)
    return digits.isdigit() and digits.isascii() and sum(int(c) * (3 if i % 2 else 1) for i, c in enumerate(digits)) % 10 == 0


def _credit_card(text: str) -> bool:
    digits = re.sub(r"[^0-9]", "", text)
    if not 13 <= len(digits) <= 19 or len(text) > 64:
        return False
    doubled = [int(c) if i % 2 == 0 else int(c) * 2 - (9 if int(c) > 4 else 0) for i, c in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


FORMATS: dict[str, Callable[[str], bool]] = {
    "bsonobjectid": _matching("[0-9a-fA-F]{24}"),
    "byte": is_base64,
    "cidr": _cidr,
    "creditcard": _credit_card,
    "date": is_date,
    "date-time": is_datetime,
    "datetime": is_datetime,
    "duration": lambda text: len(text) <= 256 and _DURATION.match(text) is not None,
    "email": lambda text: _EMAIL.match(text) is not None,
    "hexcolor": _matching(_COLOR),
    "hostname": lambda text: _HOSTNAME.match(text) is not None,
    "ipv4": _ip(4),
    "ipv6": _ip(6),
    "isbn": lambda text: _isbn10(text) or _isbn13(text),
    "isbn10": _isbn10,
    "isbn13": _isbn13,
    "mac": lambda text: _MAC.match(text) is not None,
    "password": lambda text: True,
    "rgbcolor": _matching(rf"rgb\(\s*{_BYTE}\s*,\s*{_BYTE}\s*,\s*{_BYTE}\s*\)"),
    "ssn": _matching(r"\d{3}[- ]?\d{2}[- ]?\d{4}"),
    "uri": _uri,
    "uuid": _uuid(""),
    "uuid3": _uuid("3"),
    "uuid4": _uuid("4"),
    "uuid5": _uuid("5"),
}


def fits(name: str, text: str) -> bool:
    """Whether a string has the format of this name; every string has an unknown one."""
    valid = FORMATS.get(name.lower())
    return valid is None or valid(text)
