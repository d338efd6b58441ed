"""What the usage of one kind of object is made of. Kinds without rules of their own only count."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

Json = dict[str, Any]
#: One condition on the objects that a quota counts: scopeName, operator, values.
ScopeSelector = dict[str, Any]

#: Kinds that are counted under their bare plural too, for as long as there have been quotas.
_OLD_NAMES = frozenset({"configmaps", "replicationcontrollers", "resourcequotas", "secrets"})


class Evaluator(Protocol):
    """Stateless. Objects are never changed."""

    def handles(self, operation: str, subresource: str) -> bool:
        """Whether such a write can change the usage."""
        ...

    def usage(self, obj: Json) -> dict[str, str]:
        """What one object uses."""
        ...

    def names(self, limited: Iterable[str]) -> set[str]:
        """Which of the names that a quota limits concern this kind."""
        ...

    def in_scope(self, obj: Json, selector: ScopeSelector) -> bool:
        """Whether the object is of a scope. False for scopes that mean nothing to the kind."""
        ...

    def missing(self, limited: set[str], obj: Json) -> str:
        """What the object must say because these names are limited, as an error; "" when nothing is missing."""
        ...


@dataclass(frozen=True, slots=True)
class ObjectCount:
    """`count/<plural>.<group>`."""

    group: str
    plural: str

    def handles(self, operation: str, subresource: str) -> bool:
        return operation == "CREATE" and not subresource

    def usage(self, obj: Json) -> dict[str, str]:
        return dict.fromkeys(self.count_names(), "1")

    def count_names(self) -> tuple[str, ...]:
        count = f"count/{self.plural}.{self.group}" if self.group else f"count/{self.plural}"
        return (count, self.plural) if not self.group and self.plural in _OLD_NAMES else (count,)

    def names(self, limited: Iterable[str]) -> set[str]:
        return set(self.count_names()) & set(limited)

    def in_scope(self, obj: Json, selector: ScopeSelector) -> bool:
        return False

    def missing(self, limited: set[str], obj: Json) -> str:
        return ""
