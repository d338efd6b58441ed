"""The most that an expression may cost, estimated from the sizes that a schema allows.

A definition whose rules may become too expensive is refused, as Kubernetes does: whoever writes rules over lists and strings
bounds them. Sizes come with the values from where they are read (`Sized`); what is not known is taken for endless.
Source: cel-go checker/cost.go, k8s.io/apiserver pkg/cel/library/cost.go and pkg/cel/common/schemas.go.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from master.api.cel.cost import LIST, MAP
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

#: Nothing is known, or it is beyond counting.
ENDLESS = 2**64 - 1
_TRAVERSAL, _REGEX = 0.1, 0.25
_SCALARS = frozenset({"bool", "int", "uint", "double", "duration", "timestamp", "null"})
_COMPARISONS = frozenset({"_<_", "_<=_", "_>_", "_>=_", "_==_", "_!=_"})
_TRAVERSING = frozenset({"url", "isURL", "lowerAscii", "upperAscii", "substring", "trim", "cidr", "isIP", "isCIDR", "quantity",
                         "isQuantity", "semver", "isSemver", "format", "strings.quote"})  # fmt: skip
_SAME_SIZE = frozenset({"url", "lowerAscii", "upperAscii", "substring", "trim", "string", "bytes"})
_OVER_LISTS = frozenset({"isSorted", "sum", "max", "min", "indexOf", "lastIndexOf"})
_SETS = {"sets.contains": 1, "sets.intersects": 1, "sets.equivalent": 2}
#: What macros cost beside their condition and step: at once, and for each element (their loops as cel-go expands them).
_MACROS = {
    "all": (1, 3),
    "exists": (1, 4),
    "exists_one": (2, 2),
    "filter": (LIST + 1, 13),
    "map": (LIST + 1, 12),
    "transformList": (LIST + 1, 12),
    "transformMap": (MAP + 1, 3),
    "transformMapEntry": (MAP + 1, 2),
}


@dataclass(frozen=True, slots=True)
class Sized:
    """How large what a schema describes may be. `most`: characters, elements or entries; `least_bytes`: of its JSON."""

    most: int
    least_bytes: int
    fields: "Mapping[str, Sized]" = field(default_factory=dict)
    element: "Sized | None" = None


@dataclass(slots=True)
class _Known:
    """What is known of a value. `size` None: from its shape or type; `element`: the size of what a made list holds."""

    cost: int
    size: int | None = None
    shape: Sized | None = None
    element: int | None = None


class Estimator:
    """`root`: what `self` and `oldSelf` are."""

    def __init__(self, root: Sized) -> None:
        self._scopes: list[Mapping[str, _Known]] = [{"self": _Known(1, shape=root), "oldSelf": _Known(1, shape=root)}]

    def cost(self, tree: Expr) -> int:
        """The most that an evaluation may cost."""
        return min(self._visit(tree).cost, ENDLESS)

    def _visit(self, node: Expr) -> _Known:
        match node:
            case Literal(value=value):
                return _Known(0, len(value) if isinstance(value, str | bytes) else None)
            case Ident(name=name):
                for scope in reversed(self._scopes):
                    if name in scope:
                        known = scope[name]
                        return _Known(1, known.size, known.shape, known.element)
                return _Known(1)
            case Select():
                return self._select(node)
            case Call():
                return self._call(node)
            case ListExpr(elements=elements):
                items = [self._visit(element) for element in elements]
                sizes = [self._size(element, one) for element, one in zip(elements, items, strict=True)]
                return _Known(LIST + sum(one.cost for one in items), len(elements), element=max(sizes, default=0))
            case MapExpr(entries=entries):
                parts = [part for key, value, _ in entries for part in (key, value)]
                return _Known(MAP + sum(self._visit(part).cost for part in parts), len(entries))
            case Comprehension():
                return self._comprehension(node)
            case OptionalMap():
                target = self._visit(node.target)
                self._scopes.append({node.name: target})
                step = self._visit(node.step)
                self._scopes.pop()
                return _Known(target.cost + step.cost + 2, step.size, step.shape, step.element)
            case StructExpr():
                return _Known(40)

    def _select(self, node: Select) -> _Known:
        operand = self._visit(node.operand)
        if node.test:
            return _Known(max(operand.cost - 1, 0))
        shape = operand.shape.fields.get(node.field) if operand.shape is not None else None
        counts = node.operand.type.kind in ("map", "object", "param") or node.optional
        return _Known(operand.cost + counts, shape=shape)

    def _size(self, node: Expr, known: _Known) -> int:
        if known.size is not None:
            return known.size
        if known.shape is not None:
            return known.shape.most
        return 1 if node.type.kind in _SCALARS else ENDLESS

    def _element_size(self, known: _Known) -> int:
        if known.element is not None:
            return known.element
        if known.shape is not None and known.shape.element is not None:
            return known.shape.element.most
        return ENDLESS

    # Calls

    def _call(self, node: Call) -> _Known:
        nodes = node.arguments if node.target is None else [node.target, *node.arguments]
        known = [self._visit(argument) for argument in nodes]
        sizes = [self._size(argument, one) for argument, one in zip(nodes, known, strict=True)]
        spent = sum(one.cost for one in known)
        match node.function:
            case "_&&_" | "_||_":
                return _Known(spent)
            case "_?_:_":
                return _Known(
                    known[0].cost + max(known[1].cost, known[2].cost), max(sizes[1:]), known[1].shape or known[2].shape
                )
            case "_[_]" | "_[?_]":
                return _Known(spent + 1, known[0].element, known[0].shape.element if known[0].shape is not None else None)
            case "_+_" if nodes[0].type.kind in ("string", "bytes"):
                return _Known(spent + _ceil(sum(sizes) * _TRAVERSAL), sum(sizes))
            case "_+_" if nodes[0].type.kind == "list":
                return _Known(spent + 1, sum(sizes), element=max(self._element_size(one) for one in known))
            case "@in" if nodes[1].type.kind == "list":
                return _Known(spent + sizes[1])
            case "orValue" | "or":
                return _Known(spent + 1, max(sizes), known[0].shape)
            case "dyn" | "optional.of" | "optional.ofNonZeroValue" | "value":
                return _Known(spent + 1, known[0].size, known[0].shape, known[0].element)
        if node.function in _COMPARISONS and (node.function in ("_==_", "_!=_") or nodes[0].type.kind in ("string", "bytes")):
            return _Known(spent + _ceil(min(sizes) * _TRAVERSAL))
        return self._function(node, nodes, known, sizes, spent)

    def _function(self, node: Call, nodes: list[Expr], known: list[_Known], sizes: list[int], spent: int) -> _Known:
        name = node.function
        traversal = _ceil(sizes[0] * _TRAVERSAL) if sizes else 1
        if name in ("startsWith", "endsWith"):
            return _Known(spent + _ceil(sizes[1] * _TRAVERSAL))
        if name == "contains":
            return _Known(spent + traversal * _ceil(sizes[1] * _TRAVERSAL))
        if name in ("matches", "find", "findAll"):
            regex = _ceil((sizes[0] + 1) * _TRAVERSAL) * _ceil(sizes[1] * _REGEX)
            return _Known(spent + regex, sizes[0] if name != "matches" else None, element=sizes[0])
        if name in _OVER_LISTS:
            if nodes[0].type.kind != "list":
                return _Known(spent + traversal)
            each = 1
            if nodes[0].type.params and nodes[0].type.params[0].kind in ("string", "bytes"):
                each += _ceil(self._element_size(known[0]) * _TRAVERSAL)
            return _Known(spent + sizes[0] * each, self._element_size(known[0]) if name in ("min", "max") else None)
        if name in _TRAVERSING or (name in ("string", "bytes") and nodes[0].type.kind in ("string", "bytes")):
            return _Known(spent + traversal, sizes[0] if name in _SAME_SIZE else None)
        if name == "ip" and nodes[0].type.kind == "string":
            return _Known(spent + traversal)
        if name == "ip.isCanonical":
            return _Known(spent + _ceil(sizes[0] * 2 * _TRAVERSAL))
        if name == "replace":
            longest = (sizes[0] + 1) * (sizes[2] + 1)
            return _Known(spent + _ceil(sizes[0] * 2 * _TRAVERSAL), longest)
        if name == "split":
            return _Known(spent + _ceil(sizes[0] * 2 * _TRAVERSAL), sizes[0], element=sizes[0])
        if name == "join":
            joined = sizes[0] * (self._element_size(known[0]) + (sizes[1] if len(sizes) > 1 else 0))
            return _Known(spent + _ceil(joined * _TRAVERSAL), joined)
        if name in ("containsIP", "containsCIDR"):
            parsing = _ceil(sizes[1] * _TRAVERSAL) if nodes[1].type.kind == "string" else 0
            return _Known(spent + (4 if name == "containsIP" else 7) + parsing)
        if name == "validate":
            return _Known(spent + _ceil(sizes[1] * _TRAVERSAL) * 32)
        if name in _SETS:
            return _Known(spent + sizes[0] * sizes[1] * _SETS[name] + 1)
        return _Known(spent + 1)

    # Macros

    def _comprehension(self, node: Comprehension) -> _Known:
        over = self._visit(node.range)
        count = self._size(node.range, over)
        element = _Known(1, over.element, over.shape.element if over.shape is not None else None)
        key = _Known(1, 1 if node.range.type.kind == "list" else 0)
        if node.second:
            scope = {node.first: key, node.second: element}
        else:
            scope = {node.first: element if node.range.type.kind == "list" else key}
        self._scopes.append(scope)
        condition = self._visit(node.condition).cost if node.condition is not None else 0
        step = self._visit(node.step) if node.step is not None else None
        self._scopes.pop()
        once, each = _MACROS[node.macro]
        cost = over.cost + once + count * (each + condition + (step.cost if step is not None else 0))
        if node.macro in ("all", "exists", "exists_one"):
            return _Known(cost)
        if node.macro == "filter":
            return _Known(cost, count, over.shape, over.element)
        made = self._size(node.step, step) if node.step is not None and step is not None else ENDLESS
        return _Known(cost, count, element=made)


def _ceil(value: float) -> int:
    return min(math.ceil(value), ENDLESS)
