"""Fields of a pod's own manifest that files and environment may show. Pure."""

import re

from lightkube.models.core_v1 import Pod

_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']*)'\]\Z")


class UnsupportedField(Exception):
    """No such field for the downward API."""


def metadata_field(pod: Pod, path: str) -> str:
    """A field under metadata. Raises UnsupportedField."""
    metadata = pod.metadata
    assert metadata is not None
    labels, annotations = metadata.labels or {}, metadata.annotations or {}
    match path:
        case "metadata.name":
            return metadata.name or ""
        case "metadata.namespace":
            return metadata.namespace or ""
        case "metadata.uid":
            return metadata.uid or ""
        case "metadata.labels":
            return _format_map(labels)
        case "metadata.annotations":
            return _format_map(annotations)
    subscript = _SUBSCRIPT.match(path)
    if subscript is None:
        raise UnsupportedField(f"unsupported fieldPath: {path}")
    source = labels if subscript.group(1) == "labels" else annotations
    return str(source.get(subscript.group(2), ""))


def _format_map(values: dict[str, str]) -> str:
    """One `key="value"` per line, sorted, quoted as Go's %q."""
    return "\n".join(f"{key}={_quoted(values[key])}" for key in sorted(values))


def _quoted(text: str) -> str:
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return '"' + "".join(escapes.get(char) or (char if char.isprintable() else f"\\u{ord(char):04x}") for char in text) + '"'
