"""Strategic merge patch: a merge patch whose lists are merged as the schema of the kind says.

A list with the strategy "merge" is merged by its merge key (a list of objects) or as a set (a list of scalars); any other
list is replaced. Directives inside the patch say more: `$patch` (replace, delete), `$retainKeys`, `$setElementOrder/<list>`
and `$deleteFromPrimitiveList/<list>`. The rules are those of k8s.io/apimachinery's strategicpatch, which kubectl's
`--local` patches follow too; the order of merged lists is decided in `element_order`.

Source: https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md
"""

from typing import Any

from master.api.patch.element_order import check_order, normalize_order, order_after_deletions, partition
from master.api.schema.definitions import Schema
from master.api.schema.schemas import Schemas
from master.client.errors import StatusError, bad_request

Json = dict[str, Any]

_DIRECTIVE = "$patch"
_RETAIN_KEYS = "$retainKeys"
_SET_ORDER = "$setElementOrder"
_DELETE_FROM = "$deleteFromPrimitiveList"


def apply_strategic_merge(document: Json, patch: Any, *, definition: str, schemas: Schemas) -> Json:
    """The patched object. Raises StatusError: 400 for a malformed patch, 422 for one that cannot be merged."""
    if not isinstance(patch, dict):
        raise bad_request("invalid JSON document")
    return _Merge(schemas).merge_map(document, patch, schemas.definition(definition))


class _Merge:
    """One kind's merge: finds each field's schema on the way down."""

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas

    def merge_map(self, original: Json, patch: Json, schema: Schema | None) -> Json:
        if _DIRECTIVE in patch:
            return _replaced(patch)
        result = _retained(original, patch)
        ordered = self._merge_ordered(result, patch, schema)
        for key, value in patch.items():
            if key == _RETAIN_KEYS or key in ordered or key.startswith(_SET_ORDER):
                continue
            if key.startswith(_DELETE_FROM):
                key = _field_of(key, _DELETE_FROM, "invalid patch format of primitive list")
                if isinstance(result.get(key), list) and isinstance(value, list):
                    result[key] = [item for item in result[key] if item not in value]
            elif value is None:
                result.pop(key, None)
            elif isinstance(value, dict) and isinstance(result.get(key), dict):
                field, below = self._field(schema, key)
                replaces = field is not None and "replace" in field.strategies
                result[key] = _plain(value) if replaces else self.merge_map(result[key], value, below)
            elif isinstance(value, list) and isinstance(result.get(key), list):
                result[key] = self._merge_list(result[key], value, self._field(schema, key)[0])
            elif (added := _added(value)) is not _NOTHING:
                result[key] = added
            else:
                result.pop(key, None)
        return result

    def _merge_ordered(self, result: Json, patch: Json, schema: Schema | None) -> set[str]:
        """Merge the lists that have a `$setElementOrder`, and bring them into that order; the names of those lists."""
        done: set[str] = set()
        for directive, order in patch.items():
            if not directive.startswith(_SET_ORDER):
                continue
            key = _field_of(directive, _SET_ORDER, "invalid patch format of setElementOrder list")
            current, change = result.get(key), patch.get(key)
            if not isinstance(order, list) or not isinstance(change, list | None) or not isinstance(current, list | None):
                raise bad_request("invalid patch format of setElementOrder list")
            field, _ = self._field(schema, key)
            merge_key = field.patch_merge_key if field is not None else ""
            if change is not None:
                check_order(change, order, merge_key)
            if change is None:
                if current is None or key in patch:
                    # Nothing to order, or the patch deletes the list.
                    continue
                merged = current
            elif current is None:
                merged = _added(change)
            else:
                merged = self._merge_list(current, change, field)
            listed, server_only = partition(merged, order, merge_key)
            server_order = order_after_deletions(current or [], change or [], merged, merge_key)
            result[key] = normalize_order(listed, server_only, order, server_order, merge_key)
            done.add(key)
        return done

    def _merge_list(self, original: list[Any], patch: list[Any], field: Schema | None) -> list[Any]:
        if field is None or "merge" not in field.strategies:
            return [_plain(item) for item in patch]
        if not original and not patch:
            return original
        kinds = {type(item) for item in (*original, *patch)}
        if list in kinds:
            raise _unprocessable("lists of lists are not supported")
        if dict not in kinds:
            merged = list(dict.fromkeys([*original, *patch]))
            listed, server_only = partition(merged, patch, "")
            return normalize_order(listed, server_only, patch, original, "")
        if kinds != {dict}:
            raise _unprocessable("list element types are not identical")
        merge_key = field.patch_merge_key
        if not merge_key:
            raise _unprocessable("cannot merge lists without merge key")
        original, patch, replaced = _special_elements(original, patch, merge_key)
        if replaced:
            return [_plain(item) for item in patch]
        below = self._schemas.resolved(field.items) if field.items is not None else None
        merged = self._merge_elements(original, patch, merge_key, below)
        listed, server_only = partition(merged, patch, merge_key)
        return normalize_order(listed, server_only, patch, original, merge_key)

    def _merge_elements(self, original: list[Json], patch: list[Json], merge_key: str, below: Schema | None) -> list[Json]:
        merged = list(original)
        for element in patch:
            if merge_key not in element:
                raise _no_merge_key(element, merge_key)
            for index, existing in enumerate(merged):
                if existing.get(merge_key) == element[merge_key]:
                    merged[index] = self.merge_map(existing, element, below)
                    break
            else:
                merged.append(_plain(element))
        return merged

    def _field(self, schema: Schema | None, key: str) -> tuple[Schema | None, Schema | None]:
        """A field's schema, which has its strategy, and the definition of what is below it. None for an unknown field."""
        if schema is None:
            return None, None
        field = schema.properties.get(key) or schema.additional
        if field is None:
            return None, None
        return field, self._schemas.resolved(field)


class _Nothing:
    """What is left of a part of a patch that was but a directive."""


_NOTHING = _Nothing()


def _added(value: Any) -> Any:
    """A part of a patch where the original has nothing: what has a `$patch` is nothing to add, whatever it says."""
    if isinstance(value, dict):
        if _DIRECTIVE in value:
            return _NOTHING
        parts = {key: _added(item) for key, item in value.items() if item is not None and not _is_directive(key)}
        return {key: item for key, item in parts.items() if item is not _NOTHING}
    if isinstance(value, list):
        return [added for item in value if (added := _added(item)) is not _NOTHING]
    return value


def _plain(value: Any) -> Any:
    """A part of a patch that is taken as it is: its directives mean nothing there, and Kubernetes' decoder drops them."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if item is not None and not _is_directive(key)}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _is_directive(key: str) -> bool:
    return key.startswith("$") and key.startswith((_DIRECTIVE, _SET_ORDER, _DELETE_FROM, _RETAIN_KEYS))


def _replaced(patch: Json) -> Json:
    """What a map with a `$patch` directive becomes, whatever was there."""
    match patch[_DIRECTIVE]:
        case "replace":
            return {key: value for key, value in patch.items() if key != _DIRECTIVE}
        case "delete":
            return {}
        case other:
            raise _unprocessable(f"unknown patch type: {other} in map: {patch}")


def _retained(original: Json, patch: Json) -> Json:
    """A copy of the original with only what `$retainKeys` lists, if the patch has it."""
    if _RETAIN_KEYS not in patch:
        return dict(original)
    retained = patch[_RETAIN_KEYS]
    wrong = bad_request("invalid patch format of retainKeys")
    if not isinstance(retained, list):
        raise wrong
    for key, value in patch.items():
        if value is None or key == _RETAIN_KEYS or key.startswith((_DELETE_FROM, _SET_ORDER)):
            continue
        if key not in retained:
            raise wrong
    return {key: value for key, value in original.items() if key in retained}


def _special_elements(original: list[Json], patch: list[Json], merge_key: str) -> tuple[list[Json], list[Json], bool]:
    """Carry out the elements with a `$patch`: what is left of both lists, and whether the patch replaces the original."""
    plain: list[Json] = []
    replaced = False
    for element in patch:
        match element.get(_DIRECTIVE):
            case None:
                plain.append(element)
            case "delete":
                if merge_key not in element:
                    raise _no_merge_key(element, merge_key)
                original = [item for item in original if item.get(merge_key) != element[merge_key]]
            case "replace":
                replaced = True
            case "merge":
                raise _unprocessable("merging lists cannot yet be specified in the patch")
            case other:
                raise _unprocessable(f"unknown patch type: {other} in map: {element}")
    return original, plain, replaced


def _field_of(directive: str, prefix: str, wrong: str) -> str:
    """The list that a directive like `$setElementOrder/containers` is about."""
    head, slash, key = directive.partition("/")
    if head != prefix or not slash:
        raise bad_request(wrong)
    return key


def _no_merge_key(element: Json, merge_key: str) -> StatusError:
    return _unprocessable(f"map: {element} does not contain declared merge key: {merge_key}")


def _unprocessable(why: str) -> StatusError:
    cause = {"reason": "FieldValueInvalid", "field": "patch", "message": why}
    message = "the server rejected our request due to an error in our request"
    return StatusError(422, "Invalid", message, details={"causes": [cause]})
