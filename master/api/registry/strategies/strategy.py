"""The seam between the verbs and the ways in which an object can be updated."""

from collections.abc import Sequence
from typing import Protocol

from master.api.kinds.kind import Kind
from master.client.errors import Cause
from master.client.protocol import Json


class Strategy(Protocol):
    """One way to update an object. Pure: `old` and `body` are not changed."""

    def definition(self, kind: Kind) -> str:
        """The schema of what is read and written here."""
        ...

    def view(self, kind: Kind, obj: Json) -> Json:
        """What a client sees, patches and gets back."""
        ...

    def merge(self, kind: Kind, old: Json, body: Json) -> Json:
        """The object as the body wants it. Raises StatusError 409 when the object does not allow it."""
        ...

    def validate(self, kind: Kind, obj: Json, old: Json) -> Sequence[Cause]: ...
