"""Kubernetes resource quantities: "100m", "1.5Gi", "2e3".

Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

import re
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache

_FORM = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+))(|[numkMGTPE]|[KMGTPE]i|[eE][+-]?\d{1,3})\Z", re.ASCII)
_SUFFIXES = {
    "": Decimal(1),
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"),
    "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9),
    "T": Decimal(10**12), "P": Decimal(10**15), "E": Decimal(10**18),
    "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30),
    "Ti": Decimal(2**40), "Pi": Decimal(2**50), "Ei": Decimal(2**60),
}  # fmt: skip

_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL = {-9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P", 18: "E"}

#: No quantity is longer. Numbers of a million digits take seconds to reckon with, and are remembered.
_LONGEST = 256
#: What Kubernetes' API server says of a string that is none.
PATTERN = r"^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"


class InvalidQuantity(ValueError):
    """A string or number that is no quantity."""


@lru_cache(maxsize=4096)
def parse(quantity: str | int | float) -> Decimal:
    """The exact value in base units (cores, bytes, pieces). Raises InvalidQuantity."""
    text = str(quantity)
    match = _FORM.match(text) if len(text) <= _LONGEST else None
    if match is None:
        raise InvalidQuantity(f"quantities must match the regular expression '{PATTERN}'")
    number, suffix = match.groups()
    if suffix in _SUFFIXES:
        return Decimal(number) * _SUFFIXES[suffix]
    return Decimal(number).scaleb(int(suffix[1:]))


def units(quantity: str | int | float) -> int:
    """The value in whole base units, rounded up as Kubernetes' Quantity.Value does."""
    return int(parse(quantity).to_integral_value(ROUND_CEILING))


def milli(quantity: str | int | float) -> int:
    """The value in thousandths, rounded up as Kubernetes' Quantity.MilliValue does: CPU in millicores."""
    return int((parse(quantity) * 1000).to_integral_value(ROUND_CEILING))


def binary_text(value: int) -> str:
    """With the largest suffix of 1024's that leaves no fraction: "1536Mi"."""
    power = 0
    while value and value % 1024 == 0 and power < len(_BINARY) - 1:
        value //= 1024
        power += 1
    return f"{value}{_BINARY[power]}"


def decimal_text(value: Decimal, *, exponent_form: bool = False) -> str:
    """With the largest suffix of 1000's that leaves no fraction: "500m". Of a value in whole billionths."""
    exponent = -9
    mantissa = int(value.scaleb(9))
    while mantissa % 1000 == 0 and exponent < 18:
        mantissa //= 1000
        exponent += 3
        if not mantissa:
            return "0"
    if exponent_form:
        return f"{mantissa}e{exponent}" if exponent else str(mantissa)
    return f"{mantissa}{_DECIMAL[exponent]}"
