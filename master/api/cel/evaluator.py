"""Makes closures of a checked syntax tree: `closure(meter)` gives the value. Every step charges the meter.

`&&`, `||`, `all` and `exists` are commutative: an error on one side does not count when the other side decides.
"""

from collections.abc import Callable, Mapping
from typing import Any

from master.api.cel.comprehensions import comprehension
from master.api.cel.cost import LIST, MAP, OF_RESULT, Meter
from master.api.cel.declarations import TYPE_NAMES, Overload, matcher
from master.api.cel.errors import EvaluationError
from master.api.cel.syntax import (
    Call,
    Comprehension,
    Expr,
    Ident,
    ListExpr,
    Literal,
    MapExpr,
    OptionalMap,
    Select,
    StructExpr,
)
from master.api.cel.types import is_loose
from master.api.cel.values import ABSENT, Lazy, Present, TypeValue

Closure = Callable[[Meter], Any]

#: The value of a variable that has none in this evaluation.
UNSET = object()


class Evaluator:
    """Compiles one expression. `slots`: where the environment's variables are; `names`: of opaque types by class."""

    def __init__(self, slots: Mapping[str, int], names: Mapping[type, str]) -> None:
        self._scopes: list[Mapping[str, int]] = [slots]
        self._names = names
        #: How many slots the expression needs.
        self.size = len(slots)

    def compile(self, node: Expr) -> Closure:
        match node:
            case Literal(value=value):
                return lambda meter: value
            case Ident(name=name):
                return self._variable(name)
            case Select():
                return self._select(node)
            case Call():
                return self._call(node)
            case ListExpr():
                return self._list(node)
            case MapExpr():
                return self._map(node)
            case Comprehension():
                return self._comprehension(node)
            case OptionalMap():
                return self._optional_map(node)
            case StructExpr():
                raise AssertionError("the checker refuses messages")

    def _variable(self, name: str) -> Closure:
        for scope in reversed(self._scopes):
            if name in scope:
                return _slot(scope[name], name)
        value = TypeValue(TYPE_NAMES[name])
        return lambda meter: value

    def _new_slot(self) -> int:
        self.size += 1
        return self.size - 1

    def _select(self, node: Select) -> Closure:
        if node.variable:
            return self._variable(node.variable)
        operand = self.compile(node.operand)
        name = node.property or node.field
        if node.test:
            return _presence(operand, name)
        if node.optional:
            return _optional_field(operand, name)
        return _field(operand, name)

    # Calls

    def _call(self, node: Call) -> Closure:
        nodes = node.arguments if node.target is None else [node.target, *node.arguments]
        arguments = [self.compile(argument) for argument in nodes]
        match node.function:
            case "_&&_":
                return _logical(arguments, decides=False)
            case "_||_":
                return _logical(arguments, decides=True)
            case "_?_:_":
                return _conditional(*arguments)
        if node.function in ("_[_]", "_[?_]"):
            return _direct(node.overloads[0], arguments)  # all forms of an index are one function
        certain = len(node.overloads) == 1 and not any(is_loose(argument.type) for argument in nodes)
        if certain:
            return _direct(node.overloads[0], arguments)
        return _dispatched(node.overloads, arguments, self._names)

    # Aggregates

    def _list(self, node: ListExpr) -> Closure:
        items = [(self.compile(item), index in node.optional) for index, item in enumerate(node.elements)]

        def make(meter: Meter) -> list[Any]:
            result = []
            for item, optional in items:
                value = item(meter)
                if optional:
                    if value is ABSENT:
                        continue
                    value = value.value if isinstance(value, Present) else value
                result.append(value)
            meter.charge(LIST)
            return result

        return make

    def _map(self, node: MapExpr) -> Closure:
        entries = [(self.compile(key), self.compile(value), optional) for key, value, optional in node.entries]

        def make(meter: Meter) -> dict[Any, Any]:
            result: dict[Any, Any] = {}
            for make_key, make_value, optional in entries:
                key, value = map_key(make_key(meter)), make_value(meter)
                if optional:
                    if value is ABSENT:
                        continue
                    value = value.value if isinstance(value, Present) else value
                if key in result:
                    raise EvaluationError(f"Failed with repeated key {key!r}")
                result[key] = value
            meter.charge(MAP)
            return result

        return make

    # Macros

    def _comprehension(self, node: Comprehension) -> Closure:
        over = self.compile(node.range)
        scope = {node.first: self._new_slot()}
        if node.second:
            scope[node.second] = self._new_slot()
        self._scopes.append(scope)
        condition = self.compile(node.condition) if node.condition is not None else None
        step = self.compile(node.step) if node.step is not None else None
        self._scopes.pop()
        second = scope[node.second] if node.second else -1
        return comprehension(node.macro, over, first=scope[node.first], second=second, condition=condition, step=step)

    def _optional_map(self, node: OptionalMap) -> Closure:
        target = self.compile(node.target)
        slot = self._new_slot()
        self._scopes.append({node.name: slot})
        step = self.compile(node.step)
        self._scopes.pop()
        flat = node.flat

        def mapped(meter: Meter) -> Any:
            value = target(meter)
            meter.charge(1)
            if value is ABSENT:
                return ABSENT
            if not isinstance(value, Present):
                raise EvaluationError("no such overload")
            meter.slots[slot] = value.value
            result = step(meter)
            return result if flat else Present(result)

        return mapped


def map_key(key: Any) -> Any:
    """A value as a map's key. Raises EvaluationError for a type that is none."""
    if isinstance(key, bool | str | int):
        return key
    if isinstance(key, float) and key.is_integer():
        return int(key)
    raise EvaluationError("unsupported key type")


def _slot(index: int, name: str) -> Closure:
    def read(meter: Meter) -> Any:
        meter.charge(1)
        value = meter.slots[index]
        if value is UNSET:
            raise EvaluationError(f"no such attribute(s): {name}")
        return value.value() if type(value) is Lazy else value

    return read


def _field(operand: Closure, name: str) -> Closure:
    def select(meter: Meter) -> Any:
        value = operand(meter)
        meter.charge(1)
        if type(value) is dict:
            try:
                return value[name]
            except KeyError:
                raise EvaluationError(f"no such key: {name}") from None
        if isinstance(value, Present):
            return _optional(value.value, name)
        if value is ABSENT:
            return ABSENT
        raise EvaluationError("no such overload" if value is not None else f"no such key: {name}")

    return select


def _optional(value: Any, name: Any) -> Any:
    if isinstance(value, dict):
        return Present(value[name]) if name in value else ABSENT
    raise EvaluationError("no such overload")


def _optional_field(operand: Closure, name: str) -> Closure:
    def select(meter: Meter) -> Any:
        value = operand(meter)
        meter.charge(1)
        if value is ABSENT:
            return ABSENT
        return _optional(value.value if isinstance(value, Present) else value, name)

    return select


def _presence(operand: Closure, name: str) -> Closure:
    def has(meter: Meter) -> bool:
        value = operand(meter)
        if isinstance(value, Present):
            value = value.value
        elif value is ABSENT:
            return False
        if not isinstance(value, dict):
            raise EvaluationError("no such overload")
        return bool(name in value)

    return has


def _logical(terms: list[Closure], *, decides: bool) -> Closure:
    def logical(meter: Meter) -> bool:
        failed: EvaluationError | None = None
        for term in terms:
            try:
                value = term(meter)
            except EvaluationError as error:
                failed = failed or error
                continue
            if value is True or value is False:
                if value is decides:
                    return decides
                continue
            failed = failed or EvaluationError("no such overload")
        if failed is not None:
            raise failed
        return not decides

    return logical


def _conditional(condition: Closure, then: Closure, otherwise: Closure) -> Closure:
    def conditional(meter: Meter) -> Any:
        value = condition(meter)
        if value is True:
            return then(meter)
        if value is False:
            return otherwise(meter)
        raise EvaluationError("no such overload")

    return conditional


def _direct(overload: Overload, arguments: list[Closure]) -> Closure:
    """A call whose overload is known. Arguments may still be null where an object or an opaque value is meant."""

    def call(meter: Meter) -> Any:
        values = tuple([argument(meter) for argument in arguments])
        try:
            return _called(overload, values, meter)
        except (TypeError, AttributeError) as error:
            raise EvaluationError("no such overload") from error

    return call


def _called(overload: Overload, values: tuple[Any, ...], meter: Meter) -> Any:
    """The result of a call; what a library says of values that it cannot work with is an error of the expression."""
    price = overload.cost
    if price not in OF_RESULT:
        meter.charge(1 if price is None else price(values, None))
    try:
        result = overload.implementation(*values)
    except EvaluationError:
        raise
    except (ValueError, ArithmeticError) as error:
        raise EvaluationError(str(error) or type(error).__name__) from error
    except RecursionError as error:
        raise EvaluationError("the value is nested too deeply") from error
    if price is not None and price in OF_RESULT:
        meter.charge(price(values, result))
    meter.look()
    return result


def _dispatched(overloads: list[Overload], arguments: list[Closure], names: Mapping[type, str]) -> Closure:
    """A call whose overload depends on the values."""
    forms = [(overload, [matcher(parameter, names) for parameter in overload.parameters]) for overload in overloads]

    def call(meter: Meter) -> Any:
        values = tuple([argument(meter) for argument in arguments])
        for overload, matchers in forms:
            if all(matches(value) for matches, value in zip(matchers, values, strict=True)):
                return _called(overload, values, meter)
        raise EvaluationError("no such overload")

    return call
