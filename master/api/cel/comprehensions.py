"""The loops behind the macros. Each turn charges what its steps cost, so that no loop outlives its budget."""

from collections.abc import Callable, Iterator
from typing import Any

from master.api.cel.cost import Meter
from master.api.cel.errors import EvaluationError

Closure = Callable[[Meter], Any]


def comprehension(
    macro: str, over: Closure, *, first: int, second: int, condition: Closure | None, step: Closure | None
) -> Closure:
    """The closure of a macro. `first`, `second`: the slots of its variables; second -1: it has one."""
    loop = _Loop(over, first, second)
    match macro:
        case "all" if condition:
            return _quantified(loop, condition, decides=False)
        case "exists" if condition:
            return _quantified(loop, condition, decides=True)
        case "exists_one" if condition:
            return _exactly_one(loop, condition)
        case "filter" if condition:
            return _filtered(loop, condition)
        case "map" | "transformList" if step:
            return _mapped(loop, condition, step)
        case "transformMap" if step:
            return _transformed_map(loop, condition, step)
    assert step is not None
    return _map_entries(loop, condition, step)


class _Loop:
    def __init__(self, over: Closure, first: int, second: int) -> None:
        self._over = over
        self._first = first
        self._second = second

    def turns(self, meter: Meter) -> Iterator[Any]:
        """Sets the variables for each turn; gives the first one's value."""
        values = self._over(meter)
        slots, first, second = meter.slots, self._first, self._second
        if isinstance(values, dict):
            pairs: Any = values.items()
        elif isinstance(values, list):
            pairs = enumerate(values) if second >= 0 else ((value, None) for value in values)
        else:
            raise EvaluationError("no such overload")
        for one, other in pairs:
            meter.charge(1)
            slots[first] = one
            if second >= 0:
                slots[second] = other
            yield one


def _is_true(condition: Closure, meter: Meter) -> bool:
    value = condition(meter)
    if value is True:
        return True
    if value is False:
        return False
    raise EvaluationError("no such overload")


def _quantified(loop: _Loop, condition: Closure, *, decides: bool) -> Closure:
    def quantified(meter: Meter) -> bool:
        failed: EvaluationError | None = None
        for _ in loop.turns(meter):
            try:
                if _is_true(condition, meter) is decides:
                    return decides
            except EvaluationError as error:
                failed = failed or error
        if failed is not None:
            raise failed
        return not decides

    return quantified


def _exactly_one(loop: _Loop, condition: Closure) -> Closure:
    return lambda meter: sum([_is_true(condition, meter) for _ in loop.turns(meter)]) == 1


def _filtered(loop: _Loop, condition: Closure) -> Closure:
    return lambda meter: [value for value in loop.turns(meter) if _is_true(condition, meter)]


def _mapped(loop: _Loop, condition: Closure | None, step: Closure) -> Closure:
    def mapped(meter: Meter) -> list[Any]:
        return [step(meter) for _ in loop.turns(meter) if condition is None or _is_true(condition, meter)]

    return mapped


def _transformed_map(loop: _Loop, condition: Closure | None, step: Closure) -> Closure:
    def transformed(meter: Meter) -> dict[Any, Any]:
        return {key: step(meter) for key in loop.turns(meter) if condition is None or _is_true(condition, meter)}

    return transformed


def _map_entries(loop: _Loop, condition: Closure | None, step: Closure) -> Closure:
    def entries(meter: Meter) -> dict[Any, Any]:
        result: dict[Any, Any] = {}
        for _ in loop.turns(meter):
            if condition is not None and not _is_true(condition, meter):
                continue
            made = step(meter)
            if not isinstance(made, dict):
                raise EvaluationError("no such overload")
            for key, value in made.items():
                if key in result:
                    raise EvaluationError(f"insert failed: key {key} already exists")
                result[key] = value
        return result

    return entries
