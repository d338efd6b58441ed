"""Macros: calls that are syntax. CEL's own, the two-variable ones (since Kubernetes 1.32), and those of optional values."""

from master.api.cel.errors import CompileError, Issue
from master.api.cel.syntax import Call, Comprehension, Expr, Ident, OptionalMap, Select

#: Macro → counts of arguments with one variable, with two variables.
_FORMS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "all": ((2,), (3,)),
    "exists": ((2,), (3,)),
    "exists_one": ((2,), (3,)),
    "existsOne": ((2,), (3,)),
    "filter": ((2,), ()),
    "map": ((2, 3), ()),
    "transformList": ((), (3, 4)),
    "transformMap": ((), (3, 4)),
    "transformMapEntry": ((), (3, 4)),
}
_CONDITIONS = frozenset({"all", "exists", "exists_one", "filter"})


def expanded(source: str, call: Call, *, macro_position: int) -> Expr:
    """The call, or what the macro of its name makes of it. Raises CompileError."""
    arguments, target = call.arguments, call.target
    if target is None:
        if call.function == "has" and len(arguments) == 1:
            field = arguments[0]
            if not isinstance(field, Select) or field.test:
                raise _wrong(source, field.position, "invalid argument to has() macro")
            return Select(field.operand, field.field, test=True, position=macro_position)
        return call
    if call.function in ("optMap", "optFlatMap") and len(arguments) == 2:
        name = _variable(source, arguments[0], f"{call.function}() variable name must be a simple identifier")
        return OptionalMap(target, name, arguments[1], call.function == "optFlatMap", position=macro_position)
    form = _FORMS.get(call.function)
    if form is None:
        return call
    one, two = form
    macro = "exists_one" if call.function == "existsOne" else call.function
    if len(arguments) in one and not (macro == "map" and len(arguments) == 3 and not isinstance(arguments[0], Ident)):
        first = _variable(source, arguments[0], "argument must be a simple name")
        return _comprehension(macro, call, first, "", arguments[1:])
    if len(arguments) in two:
        first = _variable(source, arguments[0], "argument must be a simple name")
        second = _variable(source, arguments[1], "argument must be a simple name")
        if first == second:
            raise _wrong(source, arguments[1].position, f"duplicate variable name: {second}")
        return _comprehension(macro, call, first, second, arguments[2:])
    return call


def _comprehension(macro: str, call: Call, first: str, second: str, rest: list[Expr]) -> Expr:
    assert call.target is not None
    condition: Expr | None = None
    step: Expr | None = None
    if macro in _CONDITIONS:
        (condition,) = rest
    elif len(rest) == 2:
        condition, step = rest
    else:
        (step,) = rest
    return Comprehension(macro, call.target, first, second, condition, step, position=call.position)


def _variable(source: str, node: Expr, message: str) -> str:
    if not isinstance(node, Ident):
        raise _wrong(source, node.position, message)
    return node.name


def _wrong(source: str, position: int, message: str) -> CompileError:
    return CompileError(source, [Issue(position, message)])
