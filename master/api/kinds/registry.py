"""Finds every kind that is declared in this folder; the only list of kinds there is.

Importing this module imports each file of the folder, and fails on one that declares no `KIND` or a duplicate of another.
"""

from collections.abc import Iterable, Iterator
from importlib import import_module
from pkgutil import iter_modules

import master.api.kinds
from master.api.kinds.kind import Kind

#: Files of this folder that declare no kind.
_MACHINERY = frozenset({"kind", "registry"})


class DuplicateKind(Exception):
    """Two declarations claim the same resource or kind."""


class Kinds:
    """Kinds by resource. Immutable; iterates in the order of group, version, plural."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self._by_resource: dict[tuple[str, str, str], Kind] = {}
        names: set[tuple[str, str, str]] = set()
        for kind in sorted(kinds, key=lambda kind: (kind.group, kind.version, kind.plural)):
            resource, name = (kind.group, kind.version, kind.plural), (kind.group, kind.version, kind.kind)
            if resource in self._by_resource or name in names:
                raise DuplicateKind(f"{kind.api_version} {kind.kind} ({kind.plural}) is declared twice")
            self._by_resource[resource] = kind
            names.add(name)

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._by_resource.values())

    def __len__(self) -> int:
        return len(self._by_resource)

    def get(self, group: str, version: str, plural: str) -> Kind | None:
        return self._by_resource.get((group, version, plural))


def _declared() -> Iterator[Kind]:
    for module in iter_modules(master.api.kinds.__path__, "master.api.kinds."):
        if module.ispkg or module.name.rpartition(".")[2] in _MACHINERY:
            continue
        kind = getattr(import_module(module.name), "KIND", None)
        if not isinstance(kind, Kind):
            raise TypeError(f"{module.name} declares no KIND")
        yield kind


KINDS = Kinds(_declared())
