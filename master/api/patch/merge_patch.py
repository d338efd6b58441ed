"""JSON Merge Patch, RFC 7386: objects are merged, null deletes, all else replaces."""

from typing import Any

from master.client.errors import bad_request


def apply_merge_patch(document: Any, patch: Any) -> Any:
    """The patched document. Raises StatusError 400 when the patch is no object: it could not yield a Kubernetes object."""
    if not isinstance(patch, dict):
        raise bad_request("a JSON merge patch of an object must be an object")
    return _merge(document, patch)


def _merge(target: Any, patch: Any) -> Any:
    if isinstance(patch, list):
        return [_without_nulls(item) for item in patch]
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merge(result.get(key), value)
    return result


def _without_nulls(value: Any) -> Any:
    """An item of a list that replaces another: as Kubernetes' library has it, no member of an object in it is null."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value
