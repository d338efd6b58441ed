"""Values that Kubernetes decodes from strings and writes back in one canonical form: quantities and times.

A quantity's form is that of apimachinery's Quantity.CanonicalizeBytes: the largest suffix that leaves no fraction.
"""

import re
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal, localcontext
from functools import lru_cache

from proto.k8s.quantity import InvalidQuantity, binary_text, decimal_text, parse
from proto.k8s.time import format_micro_time, format_time

_NANO = Decimal("1e-9")
_EXPONENT = re.compile(r"[eE][+-]?\d+\Z")
_SECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)\Z")
#: More digits than an int64 with nine decimals has.
_PRECISION = 60


class InvalidScalar(ValueError):
    """A string that is no quantity or time, in Kubernetes' words."""


@lru_cache(maxsize=4096)
def canonical_quantity(text: str) -> str:
    """A quantity in its canonical form: "0.5" is "500m", "1024Mi" is "1Gi". Raises InvalidScalar."""
    try:
        value = parse(text)
    except InvalidQuantity as error:
        raise InvalidScalar(str(error)) from error
    with localcontext(prec=_PRECISION):
        # Nothing is finer than a billionth: Kubernetes rounds away from zero.
        sign = -1 if value < 0 else 1
        value = sign * (abs(value) / _NANO).to_integral_value(ROUND_CEILING) * _NANO
        if value == 0:
            return "0"
        if text.endswith("i") and abs(value) >= 1024 and value == value.to_integral_value():
            return binary_text(int(value))
        return decimal_text(value, exponent_form=_EXPONENT.search(text) is not None)


def canonical_time(text: str) -> str:
    """A metav1.Time: UTC, whole seconds. Raises InvalidScalar."""
    if _SECONDS.match(text):
        _parsed(text)
        return text
    return format_time(_parsed(text))


def canonical_micro_time(text: str) -> str:
    """A metav1.MicroTime: UTC, microseconds. Raises InvalidScalar."""
    return format_micro_time(_parsed(text))


def _parsed(text: str) -> datetime:
    try:
        if not _RFC3339.match(text):
            raise ValueError(text)
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        layout = "2006-01-02T15:04:05Z07:00"
        raise InvalidScalar(f'parsing time "{text}" as "{layout}": cannot parse "{text}" as "{layout}"') from error
