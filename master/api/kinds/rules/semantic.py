"""Equality as Go's types see it: what is unset, empty or zero where zero means unset, is the same (apiequality.Semantic)."""

from typing import Any

#: Booleans that Go's types do not tell from unset.
_PLAIN_BOOLEANS = frozenset({"hostNetwork", "hostPID", "hostIPC", "stdin", "stdinOnce", "tty", "readOnly"})


def semantic(value: Any) -> Any:
    """A value without what means the same as nothing: empty lists, maps and strings."""
    if isinstance(value, dict):
        kept = {key: semantic(item) for key, item in value.items() if item is not False or key not in _PLAIN_BOOLEANS}
        return {key: item for key, item in kept.items() if item not in (None, "") and item != [] and item != {}}
    if isinstance(value, list):
        return [semantic(item) for item in value]
    return value
