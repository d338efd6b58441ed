"""Which objects a list or watch wants: label and field selectors of one kind, and one namespace."""

from collections.abc import Sequence

from master.api.kinds.kind import Kind
from master.api.registry.storage import decode
from master.client.errors import bad_request
from master.client.protocol import Json
from master.client.selectors import InvalidSelector, parse_fields, parse_labels
from master.store.cached import CachedObject

_GENERIC = frozenset({"metadata.name", "metadata.namespace"})


class Selection:
    """Parsed once per request. Raises StatusError 400 for a selector that makes no sense for the kind."""

    def __init__(self, kind: Kind, *, label_selector: str = "", field_selector: str = "") -> None:
        self._kind = kind
        try:
            self._labels = parse_labels(label_selector)
            self._fields = parse_fields(field_selector)
        except InvalidSelector as error:
            raise bad_request(str(error)) from error
        fields = {requirement.field for requirement in self._fields.requirements}
        for field in sorted(fields - _GENERIC):
            if field not in kind.field_selectors:
                raise bad_request(f"field label not supported: {field}")
        self._needs_content = bool(fields - _GENERIC)
        self.everything = not self._labels and not self._fields

    def of(self, objects: Sequence[CachedObject]) -> Sequence[CachedObject]:
        """Those that it selects, in the same order."""
        return objects if self.everything else [obj for obj in objects if self.matches(obj)]

    def matches(self, obj: CachedObject) -> bool:
        if not self._labels.matches(obj.labels):
            return False
        if not self._fields:
            return True
        content = self._kind.from_stored(decode(obj.raw)) if self._needs_content else {}
        return self._fields.matches(lambda field: self._value(obj, content, field))

    def _value(self, obj: CachedObject, content: Json, field: str) -> str:
        if field == "metadata.name":
            return obj.name
        if field == "metadata.namespace":
            return obj.namespace
        return self._kind.field_selectors[field](content)
