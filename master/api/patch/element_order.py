"""The order of a list that a strategic merge has merged.

What the patch (or its `$setElementOrder`) lists comes in the patch's order, what only the server has in the server's; the
two are interleaved so that a server's element stays before those that it was before. Elements are compared by their merge
key, scalars (merge key "") as they are.
"""

from typing import Any

from master.client.errors import bad_request


def partition(merged: list[Any], listed: list[Any], merge_key: str) -> tuple[list[Any], list[Any]]:
    """The elements that are listed, and the rest."""
    keys = [_key(item, merge_key) for item in listed]
    inside: list[Any] = []
    outside: list[Any] = []
    for item in merged:
        (inside if _key(item, merge_key) in keys else outside).append(item)
    return inside, outside


def normalize_order(
    listed: list[Any], server_only: list[Any], patch_order: list[Any], server_order: list[Any], merge_key: str
) -> list[Any]:
    """Sort the listed elements as the patch has them, the others as the server has them, and interleave the two."""
    patch_positions = [_key(item, merge_key) for item in patch_order]
    server_positions = [_key(item, merge_key) for item in server_order]
    left = _sorted(server_only, server_positions, merge_key)
    right = _sorted(listed, patch_positions, merge_key)
    result: list[Any] = []
    while left and right:
        first, second = _key(left[0], merge_key), _key(right[0], merge_key)
        before = (
            first in server_positions
            and second in server_positions
            and server_positions.index(first) < server_positions.index(second)
        )
        result.append(left.pop(0) if before else right.pop(0))
    return [*result, *left, *right]


def order_after_deletions(original: list[Any], patch: list[Any], merged: list[Any], merge_key: str) -> list[Any]:
    """The server's order by which a list with `$setElementOrder` is interleaved, after its patch was merged.

    Kubernetes deletes and appends in place: what a patch adds takes, in this order, the places of what it deletes, and counts
    as the server's. So does this.
    """
    if not any(isinstance(item, dict) and item.get("$patch") == "delete" for item in patch):
        return original
    left = {_key(item, merge_key) for item in merged}
    kept = [item for item in original if _key(item, merge_key) in left]
    before = {_key(item, merge_key) for item in kept}
    added = [item for item in patch if "$patch" not in item and _key(item, merge_key) not in before]
    return [*kept, *added][: len(original)]


def check_order(patch: list[Any], order: list[Any], merge_key: str) -> None:
    """Raise 400 unless the patch's elements appear in the `$setElementOrder` list, in the same order."""
    remaining = iter([_key(item, merge_key) for item in order])
    for item in patch:
        if isinstance(item, dict) and "$patch" in item:
            continue
        if not any(_key(item, merge_key) == key for key in remaining):
            raise bad_request(f"The order in patch list:\n{patch}\n doesn't match $setElementOrder list:\n{order}\n")


def _sorted(items: list[Any], positions: list[Any], merge_key: str) -> list[Any]:
    def position(item: Any) -> int:
        key = _key(item, merge_key)
        return positions.index(key) if key in positions else len(positions)

    return sorted(items, key=position)


def _key(item: Any, merge_key: str) -> Any:
    return item.get(merge_key) if isinstance(item, dict) and merge_key else item
