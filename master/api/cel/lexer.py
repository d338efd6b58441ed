"""Tokens of an expression (cel-spec, doc/langdef.md, Lexis)."""

import re
from dataclasses import dataclass
from typing import Any

from master.api.cel.errors import CompileError, Issue
from master.api.cel.values import INT_MAX, INT_MIN, UINT_MAX, Uint

RESERVED = frozenset({
    "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package", "namespace",
    "return", "var", "void", "while",
})  # fmt: skip
_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n\f]+|//[^\n]*)
    |(?P<string>[bB]?[rR]?(?:\"\"\"|'''|"|'))
    |(?P<float>[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|\.[0-9]+(?:[eE][+-]?[0-9]+)?)
    |(?P<uint>(?:0x[0-9a-fA-F]+|[0-9]+)[uU])
    |(?P<int>0x[0-9a-fA-F]+|[0-9]+)
    |(?P<escaped>`[A-Za-z0-9_.\-/ ]+`)
    |(?P<ident>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<operator>==|!=|<=|>=|&&|\|\||[-+*/%!<>?:.,()\[\]{}])""",
    re.VERBOSE,
)
_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_LITERAL = frozenset("\\?\"'`")


@dataclass(frozen=True, slots=True)
class Token:
    """`kind`: "ident", "literal", "operator" or "end". `value`: of a literal."""

    kind: str
    text: str
    position: int
    value: Any = None


def tokens(source: str) -> list[Token]:
    """All tokens, and one of kind "end". Raises CompileError."""
    found: list[Token] = []
    position = 0
    while position < len(source):
        match = _TOKEN.match(source, position)
        if match is None:
            raise _wrong(source, position, f"Syntax error: token recognition error at: '{source[position]}'")
        kind, text = match.lastgroup, match.group()
        end = match.end()
        match kind:
            case "space":
                pass
            case "string":
                value, end = _string(source, position, text)
                found.append(Token("literal", source[position:end], position, value))
            case "float":
                found.append(Token("literal", text, position, float(text)))
            case "uint":
                number = int(text[:-1], 0) if text.startswith("0x") else int(text[:-1])
                if number > UINT_MAX:
                    raise _wrong(source, position, "invalid uint literal")
                found.append(Token("literal", text, position, Uint(number)))
            case "int":
                # The largest one is only valid after a minus sign: the parser looks.
                number = int(text, 0) if text.startswith("0x") else int(text)
                if number > -INT_MIN:
                    raise _wrong(source, position, "invalid int literal")
                found.append(Token("literal", text, position, number))
            case "ident" if text in ("true", "false", "null"):
                found.append(Token("literal", text, position, {"true": True, "false": False}.get(text)))
            case "ident" if text == "in":
                found.append(Token("operator", text, position))
            case "escaped":
                found.append(Token("escaped", text[1:-1], position))
            case _:
                found.append(Token(str(kind), text, position))
        position = end
    found.append(Token("end", "<EOF>", len(source)))
    return found


def fits_int(value: int) -> bool:
    return INT_MIN <= value <= INT_MAX


def _string(source: str, start: int, opening: str) -> tuple[str | bytes, int]:
    """The value of the string literal whose prefix and quotes are `opening`, and where it ends."""
    prefix = opening.rstrip("\"'").lower()
    quote = opening[len(prefix) :]
    raw, is_bytes = "r" in prefix, "b" in prefix
    position = start + len(opening)
    parts: list[str | bytes] = []
    while True:
        if position >= len(source):
            raise _wrong(source, start, f"Syntax error: token recognition error at: '{source[start:]}'")
        if source.startswith(quote, position):
            break
        char = source[position]
        if char in "\r\n" and len(quote) == 1:
            raise _wrong(source, start, f"Syntax error: token recognition error at: '{source[start:position]}'")
        if char != "\\" or raw:
            step = 2 if char == "\\" and raw and position + 1 < len(source) else 1
            text = source[position : position + step]
            parts.append(text.encode() if is_bytes else text)
            position += step
            continue
        part, position = _escape(source, position, is_bytes=is_bytes)
        parts.append(part)
    end = position + len(quote)
    if is_bytes:
        return b"".join(part if isinstance(part, bytes) else part.encode() for part in parts), end
    return "".join(str(part) for part in parts), end


def _escape(source: str, position: int, *, is_bytes: bool) -> tuple[str | bytes, int]:
    """What an escape sequence stands for, and where it ends."""
    char = source[position + 1 : position + 2]
    if char in _SIMPLE:
        return _SIMPLE[char], position + 2
    if char and char in _LITERAL:
        return char, position + 2
    match = re.compile(r"\\(?:[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2}))").match(
        source, position
    )
    if match is None:
        raise _wrong(source, position, "Syntax error: unable to unescape string")
    two, four, eight, octal = match.groups()
    code = int(octal, 8) if octal else int(two or four or eight, 16)
    if is_bytes:
        if four or eight:
            raise _wrong(source, position, "Syntax error: unable to unescape string")
        return bytes([code]), match.end()
    if code > 0x10FFFF or 0xD800 <= code < 0xE000:
        raise _wrong(source, position, "Syntax error: unable to unescape string")
    return chr(code), match.end()


def _wrong(source: str, position: int, message: str) -> CompileError:
    return CompileError(source, [Issue(position, message)])
