"""Resource quantities: quantity(x), isQuantity(x), comparisons and sums."""

from dataclasses import dataclass
from decimal import Decimal, localcontext

from master.api.cel import cost
from master.api.cel.declarations import define
from master.api.cel.errors import EvaluationError
from master.api.cel.values import INT_MAX, INT_MIN
from proto.k8s.quantity import InvalidQuantity
from proto.k8s.quantity import parse as parse_quantity

_Q = "kubernetes.Quantity"


@dataclass(frozen=True, slots=True)
class Quantity:
    value: Decimal


def _quantity(text: str) -> Quantity:
    try:
        return Quantity(parse_quantity(text))
    except InvalidQuantity as error:
        raise EvaluationError(str(error)) from error


def _is_quantity(text: str) -> bool:
    try:
        parse_quantity(text)
    except InvalidQuantity:
        return False
    return True


def _is_integer(quantity: Quantity) -> bool:
    return INT_MIN <= quantity.value <= INT_MAX and quantity.value == quantity.value.to_integral_value()


def _as_integer(quantity: Quantity) -> int:
    if not _is_integer(quantity):
        raise EvaluationError("cannot convert value to integer")
    return int(quantity.value)


def _sum(a: Quantity, b: Quantity | int, sign: int = 1) -> Quantity:
    with localcontext(prec=80):
        return Quantity(a.value + sign * (b.value if isinstance(b, Quantity) else Decimal(b)))


def _sign(quantity: Quantity) -> int:
    return (quantity.value > 0) - (quantity.value < 0)


OVERLOADS = (
    define("quantity", f"(string) -> {_Q}", _quantity, cost.of_first),
    define("isQuantity", "(string) -> bool", _is_quantity, cost.of_first),
    # Kubernetes declares the function and documents the method.
    define("sign", f"({_Q}) -> int", _sign),
    define("sign", f"{_Q}.() -> int", _sign),
    define("isGreaterThan", f"{_Q}.({_Q}) -> bool", lambda a, b: a.value > b.value),
    define("isLessThan", f"{_Q}.({_Q}) -> bool", lambda a, b: a.value < b.value),
    define("compareTo", f"{_Q}.({_Q}) -> int", lambda a, b: (a.value > b.value) - (a.value < b.value)),
    define("asApproximateFloat", f"{_Q}.() -> double", lambda quantity: float(quantity.value)),
    define("asInteger", f"{_Q}.() -> int", _as_integer),
    define("isInteger", f"{_Q}.() -> bool", _is_integer),
    define("add", f"{_Q}.({_Q}) -> {_Q}", _sum),
    define("add", f"{_Q}.(int) -> {_Q}", _sum),
    define("sub", f"{_Q}.({_Q}) -> {_Q}", lambda a, b: _sum(a, b, -1)),
    define("sub", f"{_Q}.(int) -> {_Q}", lambda a, b: _sum(a, b, -1)),
)
