"""Merges what a client applies into what is there. Nothing is removed here: that is the updater's part.

Source: sigs.k8s.io/structured-merge-diff typed/merge.go.
"""

from typing import Any

from master.api.apply import path_elements
from master.api.schema.merge_types import ListType, MapType, MergeType


def merge(kind: MergeType, live: Any, config: Any) -> Any:
    """The live value with the applied one merged in. Raises NoPathElement."""
    mapping, listing = kind.map, kind.list
    if mapping is not None and _container(dict, live, config):
        if mapping.atomic or not (live or config):
            return config
        return _maps(mapping, live or {}, config or {})
    if listing is not None and _container(list, live, config):
        if listing.atomic or not (live or config):
            return config
        return _lists(listing, live or [], config or [])
    return config


def _container(container: type, live: Any, config: Any) -> bool:
    """Whether both are such a container; null is an empty one."""
    if type(config) is container:
        return live is None or type(live) is container
    return config is None and type(live) is container


def _maps(mapping: MapType, live: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    result = dict(live)
    for name, value in config.items():
        kind = mapping.fields.get(name) or mapping.element
        if name in live and kind is not None:
            result[name] = merge(kind, live[name], value)
        else:
            result[name] = value
    return result


def _lists(listing: ListType, live: list[Any], config: list[Any]) -> list[Any]:
    """Items of the live list keep their places among each other where the applied list does not say otherwise; items of the
    applied list come in its order.
    """
    item = path_elements.item
    left = [item(listing, value) for value in live]
    right = [item(listing, value) for value in config]
    wanted = dict(zip(right, config, strict=True))
    found: dict[str, Any] = {}
    twice: set[str] = set()
    for step, value in zip(left, live, strict=True):
        if step in found:
            twice.add(step)
        found[step] = value

    def merged(step: str) -> Any:
        # Duplicates of the live list are not merged with the one that replaces them.
        if step in found and step not in twice:
            return merge(listing.items, found[step], wanted[step])
        return wanted[step]

    result: list[Any] = []
    done: set[str] = set()
    shared = iter([step for step in right if step in found])
    following = next(shared, None)
    i = j = 0
    while i < len(left) or j < len(right):
        if i < len(left) and j < len(right):
            if left[i] == right[j]:
                done.add(left[i])
                result.append(merged(left[i]))
                i, j = i + 1, j + 1
                following = next(shared, None)
                continue
            if left[i] in wanted and following is not None and following != left[i]:
                # Both have it, but the applied list has another one first.
                i += 1
                continue
        if i < len(left):
            if left[i] not in wanted:
                result.append(live[i])
                i += 1
                continue
            if left[i] in done:
                i += 1
        if j < len(right):
            done.add(right[j])
            result.append(merged(right[j]))
            if following == right[j]:
                following = next(shared, None)
            j += 1
    return result
