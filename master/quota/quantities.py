"""Lists of quantities by resource name ("cpu": "500m"), added and compared exactly.

A sum has the form of its first part that is not zero, as apimachinery's Quantity does: "1Gi" and "512Mi" are "1536Mi".
"""

from collections.abc import Iterable, Mapping
from decimal import ROUND_CEILING, Decimal

from proto.k8s.quantity import binary_text, decimal_text, parse

Quantities = Mapping[str, str]

_NANO = Decimal("1e-9")


def formatted(value: Decimal, form: str = "") -> str:
    """A value as a quantity of the form of another one."""
    if form.endswith("i") and value == value.to_integral_value():
        return binary_text(int(value))
    return decimal_text((value / _NANO).to_integral_value(ROUND_CEILING) * _NANO)


class Sum:
    """Adds up many lists."""

    def __init__(self) -> None:
        self._values: dict[str, Decimal] = {}
        self._forms: dict[str, str] = {}

    def add(self, quantities: Quantities) -> None:
        for name, text in quantities.items():
            value = parse(text)
            if value and not self._values.get(name):
                self._forms[name] = text
            self._values[name] = self._values.get(name, Decimal(0)) + value

    def result(self) -> dict[str, str]:
        return {name: formatted(value, self._forms.get(name, "")) for name, value in self._values.items()}


def added(*lists: Quantities) -> dict[str, str]:
    total = Sum()
    for quantities in lists:
        total.add(quantities)
    return total.result()


def grown(now: Quantities, before: Quantities) -> dict[str, str]:
    """By how much each quantity is larger than it was; those that are not are left out."""
    differences = {name: (parse(text) - parse(before.get(name, "0")), text) for name, text in now.items()}
    return {name: formatted(value, form) for name, (value, form) in differences.items() if value > 0}


def largest(one: Quantities, other: Quantities) -> dict[str, str]:
    """By resource, the larger of both."""
    result = dict(one)
    for name, text in other.items():
        if name not in result or parse(text) > parse(result[name]):
            result[name] = text
    return result


def masked(quantities: Quantities, names: Iterable[str]) -> dict[str, str]:
    return {name: quantities[name] for name in names if name in quantities}


def not_zero(quantities: Quantities) -> dict[str, str]:
    return {name: text for name, text in quantities.items() if parse(text)}


def exceeding(used: Quantities, hard: Quantities) -> list[str]:
    """The resources of which more is used than allowed; what `hard` does not name is not limited."""
    return sorted(name for name, text in used.items() if name in hard and parse(text) > parse(hard[name]))


def equal(one: Quantities, other: Quantities) -> bool:
    return one.keys() == other.keys() and all(parse(one[name]) == parse(other[name]) for name in one)


def shown(quantities: Quantities) -> str:
    """As an error shows them: "cpu=1,memory=1Gi"."""
    return ",".join(f"{name}={quantities[name]}" for name in sorted(quantities))
