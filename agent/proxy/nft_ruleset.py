"""The changing part of an nftables table as data, and the commands that lead from one state to the next. Pure.

Each Service port is an owner with a `Fragment`: its chains and its map elements. Two owners may want the same element (a
hairpin address, an external IP): the first by name has its way, and the next one when that is gone. A diff touches only the
owners given, so its cost does not grow with the number of Services.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

#: (map or set, key as nft writes it)
ElementKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Fragment:
    """What one owner has in the table. An element's value is "" where the container is a set."""

    #: Named sets and maps that this owner alone has: name → declaration.
    sets: Mapping[str, str] = field(default_factory=dict)
    chains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    elements: Mapping[ElementKey, str] = field(default_factory=dict)


EMPTY = Fragment()


class Ruleset:
    """The state that the kernel is known to have, and the way to the next one."""

    def __init__(self, table: str) -> None:
        self._table = table
        self.fragments: dict[str, Fragment] = {}
        self._wanted: dict[ElementKey, dict[str, str]] = {}

    def elements(self) -> dict[ElementKey, str]:
        """Every element that the table has to have."""
        return {key: values[min(values)] for key, values in self._wanted.items()}

    def chains(self) -> dict[str, tuple[str, ...]]:
        return {name: rules for fragment in self.fragments.values() for name, rules in fragment.chains.items()}

    def sets(self) -> set[str]:
        return {name for fragment in self.fragments.values() for name in fragment.sets}

    def change(self, fragments: Mapping[str, Fragment]) -> list[str]:
        """Give owners new fragments (EMPTY removes an owner); the commands, as one transaction."""
        add: list[str] = []
        rules: list[str] = []
        remove: list[str] = []
        touched: dict[ElementKey, str | None] = {}
        for owner, new in fragments.items():
            old = self.fragments.pop(owner, EMPTY)
            if new != EMPTY:
                self.fragments[owner] = new
            for name, declaration in new.sets.items():
                if old.sets.get(name) != declaration:
                    add.append(f"add set {self._table} {name} {{ {declaration} }}")
            for name in new.chains.keys() - old.chains.keys():
                add.append(f"add chain {self._table} {name}")
            for name, lines in new.chains.items():
                if old.chains.get(name) != lines:
                    if name in old.chains:
                        rules.append(f"flush chain {self._table} {name}")
                    rules += [f"add rule {self._table} {name} {line}" for line in lines]
            dead = sorted(old.chains.keys() - new.chains.keys())
            remove += [f"flush chain {self._table} {name}" for name in dead]
            remove += [f"delete chain {self._table} {name}" for name in dead]
            remove += [f"delete set {self._table} {name}" for name in sorted(old.sets.keys() - new.sets.keys())]
            for key in old.elements.keys() | new.elements.keys():
                owners = self._wanted.setdefault(key, {})
                touched.setdefault(key, owners[min(owners)] if owners else None)
                if key in new.elements:
                    owners[owner] = new.elements[key]
                else:
                    owners.pop(owner, None)
        return [*sorted(add, key=_creation_order), *rules, *self._element_commands(touched), *_removal_order(remove)]

    def _element_commands(self, before: Mapping[ElementKey, str | None]) -> list[str]:
        gone: dict[str, list[str]] = {}
        come: dict[str, list[str]] = {}
        for key, old in sorted(before.items()):
            owners = self._wanted[key]
            new = owners[min(owners)] if owners else None
            if not owners:
                del self._wanted[key]
            if new == old:
                continue
            container, text = key
            if old is not None:
                gone.setdefault(container, []).append(f"{text} : {old}" if old else text)
            if new is not None:
                come.setdefault(container, []).append(f"{text} : {new}" if new else text)
        return [
            *(f"delete element {self._table} {name} {{ {', '.join(texts)} }}" for name, texts in gone.items()),
            *(f"add element {self._table} {name} {{ {', '.join(texts)} }}" for name, texts in come.items()),
        ]


def _creation_order(command: str) -> int:
    return 0 if command.startswith("add set") else 1


def _removal_order(commands: Iterable[str]) -> list[str]:
    """A chain goes when no rule points to it, a set when no chain uses it."""
    order = ("flush chain", "delete chain", "delete set")
    return sorted(commands, key=lambda command: order.index(" ".join(command.split(" ", 2)[:2])))
