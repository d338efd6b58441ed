"""ServedTypes: the types of what the API serves, for controllers (`master.controllers.context.ServedKinds`).

Declared kinds have lightkube's types; of custom resources only the metadata is typed, in the version that they are stored in.
"""

from collections.abc import Callable, Mapping

from lightkube.core.resource import Resource
from lightkube.core.resource_registry import resource_registry

from master.api.kinds.kind import Kind
from master.api.kinds.registry import Kinds
from master.client.kinds import metadata_type


class ServedTypes:
    def __init__(self, kinds: Kinds) -> None:
        self._kinds = kinds

    def types(self) -> Mapping[tuple[str, str], type[Resource]]:
        found: dict[tuple[str, str], type[Resource]] = {}
        custom: dict[tuple[str, str], list[Kind]] = {}
        for kind in self._kinds:
            if kind.is_custom:
                custom.setdefault((kind.group, kind.plural), []).append(kind)
            elif kind.stored_as is None and {"list", "delete"} <= set(kind.verbs):
                found[kind.api_version, kind.kind] = resource_registry.load(kind.api_version, kind.kind)
        for versions in custom.values():
            stored = next(
                (kind for kind in versions if kind.conversion is not None and kind.conversion.is_storage), versions[0]
            )
            made = metadata_type(stored.resource, stored.kind, is_namespaced=stored.namespaced)
            found.update({(kind.api_version, kind.kind): made for kind in versions})
        return found

    def on_change(self, handler: Callable[[], None]) -> None:
        self._kinds.on_change(handler)
