"""What a client may not set or change, by kind of write: the strategies' PrepareForCreate and PrepareForUpdate."""

from typing import Any

from master.api.kinds.rules.copies import copied

Json = dict[str, Any]


def without_status(obj: Json) -> None:
    """On create: a client sets no status; an empty one is there from the start, as Go's types write it."""
    obj["status"] = {}


def keep_status(obj: Json, old: Json) -> None:
    """On update: the status is changed through its subresource only."""
    _keep(obj, old, "status")


def first_generation(obj: Json) -> None:
    """On create, of kinds whose generation counts changes of the spec."""
    without_status(obj)
    obj["metadata"]["generation"] = 1


def next_generation(obj: Json, old: Json) -> None:
    """On update, of kinds whose generation counts changes of the spec."""
    keep_status(obj, old)
    generation = old["metadata"].get("generation", 1)
    obj["metadata"]["generation"] = generation + ((obj.get("spec") or {}) != (old.get("spec") or {}))


def only_status(obj: Json, old: Json) -> None:
    """On update of status: the rest stays as it was, but for annotations and finalizers."""
    for field in (set(obj) | set(old)) - {"apiVersion", "kind", "metadata", "status"}:
        _keep(obj, old, field)
    for field in ("labels", "ownerReferences", "generation"):
        _keep(obj["metadata"], old["metadata"], field)


def _keep(obj: Json, old: Json, field: str) -> None:
    if field in old:
        obj[field] = copied(old[field])
    else:
        obj.pop(field, None)
