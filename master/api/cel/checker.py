"""The type checker: notes each node's type and the overloads that may apply; gathers every error, in cel-go's words."""

from collections.abc import Mapping
from typing import Any

from master.api.cel.declarations import TYPE_NAMES, Functions, Overload
from master.api.cel.errors import Issue
from master.api.cel.parser import qualified
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
from master.api.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DYN,
    ERROR,
    INT,
    NULL,
    STRING,
    UINT,
    Type,
    assignable,
    is_loose,
    is_optional,
    joined,
    list_of,
    map_of,
    optional_of,
    substituted,
    type_of,
    unify,
)
from master.api.cel.values import Uint


class Checker:
    """Checks one expression. `variables`: what it may name; a name may have dots."""

    def __init__(self, functions: Functions, variables: Mapping[str, Type]) -> None:
        self._functions = functions
        self._scopes: list[Mapping[str, Type]] = [variables]
        #: Inside of how many calls of format: its arguments may have several types.
        self._formats = 0
        self.issues: list[Issue] = []
        #: The variables of the environment that the expression names.
        self.used: set[str] = set()

    def check(self, node: Expr) -> Type:
        """The node's type; it is noted on the node, too."""
        match node:
            case Literal():
                found = _literal(node.value)
            case Ident():
                found = self._ident(node)
            case Select():
                found = self._select(node)
            case Call():
                found = self._call(node)
            case ListExpr():
                found = self._list(node)
            case MapExpr():
                found = self._map(node)
            case StructExpr():
                found = self._wrong(node.position, f"undeclared reference to '{node.name}' (in container '')")
            case Comprehension():
                found = self._comprehension(node)
            case OptionalMap():
                found = self._optional_map(node)
        node.type = found
        return found

    def _wrong(self, position: int, message: str) -> Type:
        self.issues.append(Issue(position, message))
        return ERROR

    # Names and fields

    def _variable(self, name: str) -> Type | None:
        for scope in reversed(self._scopes):
            if name in scope:
                if scope is self._scopes[0]:
                    self.used.add(name)
                return scope[name]
        return None

    def _ident(self, node: Ident) -> Type:
        found = self._variable(node.name)
        if found is not None:
            return found
        if node.name in TYPE_NAMES:
            return type_of(DYN)
        return self._wrong(node.position, f"undeclared reference to '{node.name}' (in container '')")

    def _select(self, node: Select) -> Type:
        dotted = qualified(node)
        if dotted and self._root_is_free(node):
            found = self._variable(dotted)
            if found is not None or dotted in TYPE_NAMES:
                node.variable = dotted
                return found or type_of(DYN)
        operand = self.check(node.operand)
        lifted = node.optional
        if is_optional(operand):
            operand, lifted = operand.params[0], True
        found = self._field(node, operand)
        if node.test:
            return BOOL
        if lifted and not is_loose(found) and not is_optional(found):
            return optional_of(found)
        return optional_of(DYN) if lifted and found.kind == "dyn" else found

    def _root_is_free(self, node: Expr) -> bool:
        while isinstance(node, Select):
            node = node.operand
        # Only a comprehension's variables hide longer names: "authorizer.requestResource" is one beside "authorizer".
        return isinstance(node, Ident) and not any(node.name in scope for scope in self._scopes[1:])

    def _field(self, node: Select, operand: Type) -> Type:
        if is_loose(operand):
            return operand
        if operand.kind == "map":
            return operand.params[1]
        if operand.kind == "object":
            field = operand.fields.get(node.field)
            if field is None:
                return self._wrong(node.position, f"undefined field '{node.field}'")
            node.property = field.property
            return field.type
        return self._wrong(node.position, f"type '{operand}' does not support field selection")

    # Calls

    def _call(self, node: Call) -> Type:
        if node.target is not None:
            base = qualified(node.target)
            full = f"{base}.{node.function}"
            if base and full in self._functions and self._root_is_free(node.target):
                node.function, node.target = full, None
        nodes = node.arguments if node.target is None else [node.target, *node.arguments]
        formats = node.function == "format"
        self._formats += formats
        types = [self.check(argument) for argument in nodes]
        self._formats -= formats
        if node.function not in self._functions:
            return self._wrong(node.position, f"undeclared reference to '{node.function}' (in container '')")
        if node.function in ("_&&_", "_||_"):
            for argument, found in zip(nodes, types, strict=True):
                if not assignable(BOOL, found):
                    self._wrong(argument.position, f"expected type 'bool' but found '{found}'")
            return BOOL
        result = self._resolved(node, types)
        if result is not None:
            return result
        if any(found.kind == "error" for found in types):
            return ERROR
        member = node.target is not None
        shown = f"{types[0]}." if member else ""
        shown += f"({', '.join(map(str, types[1:] if member else types))})"
        return self._wrong(node.position, f"found no matching overload for '{node.function}' applied to '{shown}'")

    def _resolved(self, node: Call, types: list[Type]) -> Type | None:
        member = node.target is not None
        results: list[Type] = []
        matching: list[Overload] = []
        for overload in self._functions.of(node.function):
            if overload.member is not member or len(overload.parameters) != len(types):
                continue
            bound: dict[str, Type] = {}
            if all(unify(p, t, bound) for p, t in zip(overload.parameters, types, strict=True)):
                matching.append(overload)
                results.append(substituted(overload.result, bound))
        node.overloads = matching
        if not matching:
            return None
        return results[0] if all(result == results[0] for result in results) else DYN

    # Aggregates: literals of one type, as Kubernetes wants them.

    def _list(self, node: ListExpr) -> Type:
        element: Type | None = None
        for index, item in enumerate(node.elements):
            found = self.check(item)
            if index in node.optional:
                found = self._unwrapped(item, found)
            element = self._same(item, element, found)
        return list_of(element or DYN)

    def _map(self, node: MapExpr) -> Type:
        keys: Type | None = None
        values: Type | None = None
        for key, value, optional in node.entries:
            keys = self._same(key, keys, self.check(key))
            found = self.check(value)
            if optional:
                found = self._unwrapped(value, found)
            values = self._same(value, values, found)
        return map_of(keys or DYN, values or DYN)

    def _unwrapped(self, node: Expr, found: Type) -> Type:
        if is_optional(found):
            return found.params[0]
        if not is_loose(found):
            self._wrong(node.position, f"expected type 'optional_type({found})' but found '{found}'")
        return found

    def _same(self, node: Expr, before: Type | None, found: Type) -> Type:
        if before is None:
            return found
        if not assignable(before, found):
            if self._formats:
                return DYN
            self._wrong(node.position, f"expected type '{before}' but found '{found}'")
            return before
        return joined(before, found)

    # Macros

    def _comprehension(self, node: Comprehension) -> Type:
        over = self.check(node.range)
        first, second = self._variables(node, over)
        scope = {node.first: first}
        if node.second:
            scope[node.second] = second
        self._scopes.append(scope)
        if node.condition is not None:
            found = self.check(node.condition)
            if not assignable(BOOL, found):
                self._wrong(node.condition.position, f"expected type 'bool' but found '{found}'")
        step = self.check(node.step) if node.step is not None else DYN
        self._scopes.pop()
        match node.macro:
            case "all" | "exists" | "exists_one":
                return BOOL
            case "filter":
                return list_of(first)
            case "map" | "transformList":
                return list_of(step)
            case "transformMap":
                return map_of(first, step)
        assert node.step is not None
        if step.kind != "map" and not is_loose(step):
            return self._wrong(node.step.position, f"expected type 'map(dyn, dyn)' but found '{step}'")
        return step

    def _variables(self, node: Comprehension, over: Type) -> tuple[Type, Type]:
        """The types of one or two variables over a range."""
        if over.kind == "list":
            return (INT, over.params[0]) if node.second else (over.params[0], DYN)
        if over.kind == "map":
            return over.params[0], over.params[1]
        if is_loose(over):
            return DYN, DYN
        why = "cannot be range of a comprehension (must be list, map, or dynamic)"
        self._wrong(node.range.position, f"expression of type '{over}' {why}")
        return ERROR, ERROR

    def _optional_map(self, node: OptionalMap) -> Type:
        target = self.check(node.target)
        if not is_optional(target) and not is_loose(target):
            macro = "optFlatMap" if node.flat else "optMap"
            return self._wrong(node.position, f"found no matching overload for '{macro}' applied to '{target}.(dyn)'")
        self._scopes.append({node.name: target.params[0] if is_optional(target) else DYN})
        step = self.check(node.step)
        self._scopes.pop()
        if not node.flat:
            return optional_of(step)
        if not is_optional(step) and not is_loose(step):
            return self._wrong(node.step.position, f"expected type 'optional_type({step})' but found '{step}'")
        return step


def _literal(value: Any) -> Type:
    if value is None:
        return NULL
    return {bool: BOOL, int: INT, Uint: UINT, float: DOUBLE, str: STRING, bytes: BYTES}[type(value)]
