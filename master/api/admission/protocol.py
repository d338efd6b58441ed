"""The seam of admission: what a plugin is given and must offer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from master.client.protocol import Json, ResourceRef

Operation = Literal["CREATE", "UPDATE", "DELETE"]


@dataclass(frozen=True, slots=True)
class AdmissionRequest:
    """One write. `old` is None for a creation; `name` is "" when it will be generated."""

    operation: Operation
    resource: ResourceRef
    kind: str
    namespace: str
    name: str
    subresource: str = ""
    old: Json | None = None


class ObjectReader(Protocol):
    """Reads other objects that a decision needs."""

    async def read(self, group: str, plural: str, namespace: str, name: str) -> Json | None:
        """The newest known version, or None. Never change it."""
        ...


class AdmissionPlugin(Protocol):
    """One admission rule. Idempotent: a write that is tried again passes twice."""

    async def admit(self, request: AdmissionRequest, obj: Json) -> None:
        """Change `obj` in place or raise StatusError. For DELETE, `obj` is what is going to be deleted: do not change it."""
        ...


#: Each module in `plugins` has `ORDER: int` (lower runs first) and a factory `plugin` of this type.
PluginFactory = Callable[[ObjectReader], AdmissionPlugin]
