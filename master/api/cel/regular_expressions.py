"""Regular expressions as Kubernetes has them: RE2's syntax, in time linear in the text, so that no pattern can hang the API.

Used by CEL's `matches` and by schemas' `pattern`. The library is imported with the first pattern.
"""

from functools import lru_cache
from typing import Any

#: What one compiled pattern may take; more is refused as Go refuses it.
_MAX_BYTES = 1 << 20
_MAX_LENGTH = 10_000


class InvalidPattern(ValueError):
    """The pattern is wrong; the text says why as Go's regexp does."""


@lru_cache(maxsize=1_024)
def compiled(pattern: str) -> Any:
    """A pattern that has `search` and `finditer`. Raises InvalidPattern."""
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_BYTES
    if len(pattern) > _MAX_LENGTH:
        raise InvalidPattern("error parsing regexp: expression too large")
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        why = error.args[0].decode(errors="replace") if error.args and isinstance(error.args[0], bytes) else str(error)
        raise InvalidPattern(f"error parsing regexp: {why}") from error


def found(pattern: str, text: str) -> bool:
    """Whether the pattern matches anywhere in a text. Raises InvalidPattern."""
    return compiled(pattern).search(text) is not None
