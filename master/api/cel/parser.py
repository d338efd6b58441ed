"""From source to syntax tree, macros expanded (cel-spec, doc/langdef.md, Grammar). Bounded in size and nesting."""

from master.api.cel.errors import CompileError, Issue
from master.api.cel.lexer import RESERVED, Token, fits_int, tokens
from master.api.cel.macros import expanded
from master.api.cel.syntax import Call, Expr, Ident, ListExpr, Literal, MapExpr, Select, StructExpr

#: cel-go's limit of code points.
MAX_SIZE = 100_000
#: Nesting of parentheses, brackets and calls; and of the tree itself, which long sums make deep.
_MAX_NESTING = 60
_MAX_DEPTH = 200
_RELATIONS = frozenset({"<", "<=", ">=", ">", "==", "!=", "in"})
_LEVELS = (("||",), ("&&",), tuple(_RELATIONS), ("+", "-"), ("*", "/", "%"))


def parse(source: str) -> Expr:
    """Raises CompileError."""
    if len(source) > MAX_SIZE:
        text = f"expression code point size exceeds limit: size: {len(source)}, limit {MAX_SIZE}"
        raise CompileError(source[:100], [Issue(0, text)])
    parser = _Parser(source)
    tree = parser.expression()
    parser.end()
    return tree


class _Parser:
    def __init__(self, source: str) -> None:
        self._source = source
        self._tokens = tokens(source)
        self._next = 0
        self._nesting = 0

    # Tokens

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def _is(self, text: str) -> bool:
        token = self._token
        return token.kind == "operator" and token.text == text

    def _accept(self, text: str) -> Token | None:
        if not self._is(text):
            return None
        token = self._token
        self._next += 1
        return token

    def _expect(self, text: str) -> Token:
        token = self._accept(text)
        if token is None:
            raise self._unexpected(f"'{text}'")
        return token

    def _unexpected(self, expected: str = "") -> CompileError:
        token = self._token
        if expected:
            return self._wrong(token.position, f"Syntax error: mismatched input '{token.text}' expecting {expected}")
        return self._wrong(token.position, f"Syntax error: extraneous input '{token.text}'")

    def _wrong(self, position: int, message: str) -> CompileError:
        return CompileError(self._source, [Issue(position, message)])

    def end(self) -> None:
        if self._token.kind != "end":
            raise self._unexpected("<EOF>")

    # Grammar

    def expression(self) -> Expr:
        self._nesting += 1
        if self._nesting > _MAX_NESTING:
            raise self._wrong(self._token.position, f"expression recursion limit exceeded: {_MAX_NESTING}")
        condition = self._binary(0)
        question = self._accept("?")
        if question is not None:
            then = self._binary(0)
            self._expect(":")
            otherwise = self.expression()
            condition = Call("_?_:_", None, [condition, then, otherwise], position=question.position)
        self._nesting -= 1
        return condition

    def _binary(self, level: int) -> Expr:
        if level == len(_LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        depth = 0
        while self._token.kind == "operator" and self._token.text in _LEVELS[level]:
            operator = self._token
            self._next += 1
            right = self._binary(level + 1)
            if (
                level < 2
                and isinstance(left, Call)
                and left.function == f"_{operator.text}_"
                and left.target is None
                and depth
            ):
                left.arguments.append(right)
            else:
                function = "@in" if operator.text == "in" else f"_{operator.text}_"
                left = Call(function, None, [left, right], position=operator.position)
            depth += 1
            if level >= 2 and depth > _MAX_DEPTH:
                raise self._wrong(operator.position, f"expression recursion limit exceeded: {_MAX_DEPTH}")
        return left

    def _unary(self) -> Expr:
        for operator, function in (("!", "!_"), ("-", "-_")):
            first = self._token
            count = 0
            while self._accept(operator) is not None:
                count += 1
            if not count:
                continue
            if operator == "-" and self._token.kind == "literal" and type(self._token.value) in (int, float):
                number = self._token
                self._next += 1
                negative = Literal(-number.value, position=first.position)
                result = self._members(negative)
                return Call(function, None, [result], position=first.position) if count % 2 == 0 else result
            operand = self._members(self._primary())
            return Call(function, None, [operand], position=first.position) if count % 2 else operand
        return self._members(self._primary())

    def _members(self, operand: Expr) -> Expr:
        depth = 0
        while True:
            depth += 1
            if depth > _MAX_DEPTH:
                raise self._wrong(self._token.position, f"expression recursion limit exceeded: {_MAX_DEPTH}")
            if (dot := self._accept(".")) is not None:
                optional = self._accept("?") is not None
                name = self._token
                if name.kind not in ("ident", "escaped"):
                    raise self._unexpected("IDENTIFIER")
                self._next += 1
                if not optional and (parenthesis := self._accept("(")) is not None:
                    operand = self._call(name, operand, parenthesis.position)
                else:
                    operand = Select(operand, name.text, optional=optional, position=dot.position)
            elif (bracket := self._accept("[")) is not None:
                function = "_[?_]" if self._accept("?") is not None else "_[_]"
                index = self.expression()
                self._expect("]")
                operand = Call(function, None, [operand, index], position=bracket.position)
            elif self._is("{") and (name_ := qualified(operand)):
                operand = self._struct(name_, operand.position)
            else:
                return operand

    def _primary(self) -> Expr:
        token = self._token
        if token.kind == "literal":
            self._next += 1
            if type(token.value) is int and not fits_int(token.value):
                raise self._wrong(token.position, "invalid int literal")
            return Literal(token.value, position=token.position)
        if token.kind == "ident" or (self._is(".") and self._tokens[self._next + 1].kind == "ident"):
            self._accept(".")
            name = self._token
            self._next += 1
            if name.text in RESERVED:
                raise self._wrong(name.position, f"reserved identifier: {name.text}")
            parenthesis = self._accept("(")
            if parenthesis is not None:
                return self._call(name, None, parenthesis.position)
            return Ident(name.text, position=name.position)
        if self._accept("(") is not None:
            inner = self.expression()
            self._expect(")")
            return inner
        if self._accept("[") is not None:
            return self._list(token.position)
        if self._accept("{") is not None:
            return self._map(token.position)
        raise self._unexpected("{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, "
                               "BYTES, IDENTIFIER}")  # fmt: skip

    def _call(self, name: Token, target: Expr | None, position: int) -> Expr:
        arguments: list[Expr] = []
        if self._accept(")") is None:
            arguments.append(self.expression())
            while self._accept(",") is not None:
                arguments.append(self.expression())
            self._expect(")")
        call = Call(name.text, target, arguments, position=position)
        return expanded(self._source, call, macro_position=position)

    def _list(self, position: int) -> Expr:
        elements: list[Expr] = []
        optional: set[int] = set()
        while not self._is("]"):
            if self._accept("?") is not None:
                optional.add(len(elements))
            elements.append(self.expression())
            if self._accept(",") is None:
                break
        self._expect("]")
        return ListExpr(elements, frozenset(optional), position=position)

    def _map(self, position: int) -> Expr:
        entries: list[tuple[Expr, Expr, bool]] = []
        while not self._is("}"):
            optional = self._accept("?") is not None
            key = self.expression()
            self._expect(":")
            entries.append((key, self.expression(), optional))
            if self._accept(",") is None:
                break
        self._expect("}")
        return MapExpr(entries, position=position)

    def _struct(self, name: str, position: int) -> Expr:
        self._expect("{")
        fields: list[tuple[int, str, Expr, bool]] = []
        while not self._is("}"):
            optional = self._accept("?") is not None
            token = self._token
            if token.kind not in ("ident", "escaped"):
                raise self._unexpected("IDENTIFIER")
            self._next += 1
            self._expect(":")
            fields.append((token.position, token.text, self.expression(), optional))
            if self._accept(",") is None:
                break
        self._expect("}")
        return StructExpr(name, fields, position=position)


def qualified(node: Expr) -> str:
    """The dotted name that a node is, or ""."""
    if isinstance(node, Ident):
        return node.name
    if isinstance(node, Select) and not (node.test or node.optional):
        base = qualified(node.operand)
        return f"{base}.{node.field}" if base else ""
    return ""
