"""Query parameters as Kubernetes converts them (k8s.io/apimachinery/pkg/runtime/conversion.go)."""

from aiohttp import web

from master.client.errors import bad_request


def is_true(text: str) -> bool:
    """A boolean: present and neither "false" nor "0"."""
    return text.lower() not in ("", "0", "false")


def integer(request: web.Request, name: str) -> int | None:
    """A 64-bit integer, or None without one. Raises StatusError 400 in Go's words."""
    text = request.query.get(name, "")
    if not text:
        return None
    digits = text[1:] if text[0] in "+-" else text
    if not (digits.isascii() and digits.isdigit()):
        raise bad_request(f'strconv.ParseInt: parsing "{text[:64]}": invalid syntax')
    number = int(digits[:24]) * (-1 if text[0] == "-" else 1)
    if not -(2**63) <= number < 2**63:
        raise bad_request(f'strconv.ParseInt: parsing "{text[:64]}": value out of range')
    return number
