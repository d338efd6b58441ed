"""The object itself, and its status: what a client may change of each is the kind's to say."""

from collections.abc import Sequence

from master.api.kinds.kind import Kind
from master.api.registry.metadata import carry_over
from master.api.registry.storage import decode, encode
from master.client.errors import Cause
from master.client.protocol import Json


class Whole:
    """PUT and PATCH of the object."""

    def definition(self, kind: Kind) -> str:
        return kind.definition

    def view(self, kind: Kind, obj: Json) -> Json:
        return obj

    def merge(self, kind: Kind, old: Json, body: Json) -> Json:
        obj = decode(encode(body))
        carry_over(kind, obj, old)
        kind.prepare_for_update(obj, old)
        kind.default(obj)
        return obj

    def validate(self, kind: Kind, obj: Json, old: Json) -> Sequence[Cause]:
        return kind.validate(obj, old)


class Status(Whole):
    """PUT and PATCH of the status subresource."""

    def merge(self, kind: Kind, old: Json, body: Json) -> Json:
        obj = decode(encode(body))
        carry_over(kind, obj, old)
        kind.prepare_for_status_update(obj, old)
        kind.default(obj)
        return obj

    def validate(self, kind: Kind, obj: Json, old: Json) -> Sequence[Cause]:
        return kind.validate_status(obj, old)
