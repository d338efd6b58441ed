"""Finds every kind that is declared in this folder, and serves those that definitions of custom resources bring at run time.

`KINDS` are the declared ones; each registry serves a copy of them, to which `serve` adds and from which `withdraw` takes.
Importing this module imports each file of the folder, and fails on one that declares no `KIND` or a duplicate of another.
"""

from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pkgutil import iter_modules

import master.api.kinds
from master.api.kinds.kind import Kind

#: Files of this folder that declare no kind.
_MACHINERY = frozenset({"kind", "registry"})


class DuplicateKind(Exception):
    """Two declarations claim the same resource or kind."""


class Kinds:
    """Kinds by resource; iterates in the order of group, version, plural. Changed on the event loop only."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self._by_resource: dict[tuple[str, str, str], Kind] = {}
        #: Of definitions, by their names.
        self._custom: dict[str, tuple[Kind, ...]] = {}
        #: Grows with each change: what is made of the kinds is made anew when it differs.
        self.generation = 0
        self._handlers: list[Callable[[], None]] = []
        names: set[tuple[str, str, str]] = set()
        for kind in kinds:
            resource, name = (kind.group, kind.version, kind.plural), (kind.group, kind.version, kind.kind)
            if resource in self._by_resource or name in names:
                raise DuplicateKind(f"{kind.api_version} {kind.kind} ({kind.plural}) is declared twice")
            self._by_resource[resource] = kind
            names.add(name)
        #: Kinds that no definition may have, by group and plural.
        self._declared: dict[tuple[str, str], Kind] = {(kind.group, kind.plural): kind for kind in self._by_resource.values()}
        self._sort()

    def __iter__(self) -> Iterator[Kind]:
        return iter(list(self._by_resource.values()))

    def __len__(self) -> int:
        return len(self._by_resource)

    def get(self, group: str, version: str, plural: str) -> Kind | None:
        return self._by_resource.get((group, version, plural))

    def serve(self, definition: str, kinds: Iterable[Kind]) -> None:
        """Serve the kinds of a definition instead of those that it had.

        A declared kind keeps its resource in every version: the objects of all versions lie in one place.
        """
        self._drop(definition)
        served = [
            kind
            for kind in kinds
            if (kind.group, kind.plural) not in self._declared
            and (kind.group, kind.version, kind.plural) not in self._by_resource
        ]
        self._by_resource.update({(kind.group, kind.version, kind.plural): kind for kind in served})
        self._custom[definition] = tuple(served)
        self._sort()
        self._changed()

    def withdraw(self, definition: str) -> None:
        """Serve a definition's kinds no longer."""
        if self._drop(definition):
            self._changed()

    def on_change(self, handler: Callable[[], None]) -> None:
        """Called after each change. It must return quickly."""
        self._handlers.append(handler)

    def _changed(self) -> None:
        self.generation += 1
        for handler in self._handlers:
            handler()

    def declared(self, group: str) -> Iterator[Kind]:
        """The kinds of a group that no definition brought."""
        return (kind for (found, _), kind in self._declared.items() if found == group)

    def of_definition(self, definition: str) -> tuple[Kind, ...]:
        """What is served for a definition."""
        return self._custom.get(definition, ())

    def _drop(self, definition: str) -> bool:
        kinds = self._custom.pop(definition, ())
        for kind in kinds:
            del self._by_resource[kind.group, kind.version, kind.plural]
        return bool(kinds)

    def _sort(self) -> None:
        self._by_resource = dict(sorted(self._by_resource.items()))


def _declared() -> Iterator[Kind]:
    for module in iter_modules(master.api.kinds.__path__, "master.api.kinds."):
        if module.ispkg or module.name.rpartition(".")[2] in _MACHINERY:
            continue
        kind = getattr(import_module(module.name), "KIND", None)
        if not isinstance(kind, Kind):
            raise TypeError(f"{module.name} declares no KIND")
        yield kind


KINDS = Kinds(_declared())
