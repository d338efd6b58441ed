"""The annotation of client-side apply, for who changes over to server-side apply with the manager "kubectl".

What the annotation says and nobody changed since is the client's own: taking it over is no conflict. An object that has the
annotation keeps it up to date, so that one may go back.

Source: k8s.io/apimachinery pkg/util/managedfields/internal/lastappliedmanager.go, lastappliedupdater.go.
"""

from typing import Any

import orjson

from master.api.apply.compare import compare
from master.api.apply.field_sets import EMPTY, FieldSet, difference
from master.api.apply.owned import InvalidTyped, check, owned
from master.api.apply.path_elements import NoPathElement
from master.api.apply.updater import Target
from master.client.protocol import Json

MANAGER = "kubectl"
ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"
#: Kubernetes' limit of all annotations of an object, in bytes.
_MAX_ANNOTATIONS = 256 * 1024


def unchanged_fields(target: Target, live: Json) -> FieldSet:
    """What the annotation of the live object says and still holds; nothing when there is none that can be used."""
    text = _annotation(live)
    try:
        last: Any = orjson.loads(text) if text else None
        if not isinstance(last, dict) or last.get("apiVersion") != target.api_version:
            return EMPTY
        check(target.kind, last)
        compared = compare(target.kind, last, live)
        return difference(difference(owned(target.kind, last), compared.changed), compared.removed)
    except (orjson.JSONDecodeError, InvalidTyped, NoPathElement):
        return EMPTY


def refreshed(obj: Json, config: Json) -> Json:
    """The object with the config in its annotation, if it has one."""
    if not _annotation(obj):
        return obj
    metadata = dict(config.get("metadata") or {})
    if metadata.get("annotations"):
        metadata["annotations"] = {name: value for name, value in metadata["annotations"].items() if name != ANNOTATION}
        if not metadata["annotations"]:
            del metadata["annotations"]
    text = orjson.dumps({**config, "metadata": metadata}, option=orjson.OPT_SORT_KEYS).decode() + "\n"
    annotations = {**obj["metadata"]["annotations"], ANNOTATION: text}
    if sum(len(name.encode()) + len(value.encode()) for name, value in annotations.items()) > _MAX_ANNOTATIONS:
        del annotations[ANNOTATION]
    return {**obj, "metadata": {**obj["metadata"], "annotations": annotations}}


def _annotation(obj: Json) -> str:
    text = ((obj.get("metadata") or {}).get("annotations") or {}).get(ANNOTATION)
    return text if isinstance(text, str) else ""
