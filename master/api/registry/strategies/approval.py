"""certificatesigningrequests/approval: approves or denies a request, by its conditions."""

import copy
from collections.abc import Sequence

from master.api.kinds.certificate_signing_request import validate_object
from master.api.kinds.kind import Kind
from master.api.kinds.rules.certificate_requests import prepare_approval, validate_changes
from master.api.kinds.rules.lifecycle import only_status
from master.api.registry.metadata import carry_over
from master.api.registry.strategies.whole import Whole
from master.client.errors import Cause
from master.client.protocol import Json


class Approval(Whole):
    """PUT and PATCH of the approval subresource."""

    def merge(self, kind: Kind, old: Json, body: Json) -> Json:
        obj = copy.deepcopy(body)
        carry_over(kind, obj, old)
        only_status(obj, old)
        prepare_approval(obj, old)
        return obj

    def validate(self, kind: Kind, obj: Json, old: Json) -> Sequence[Cause]:
        return [*validate_object(obj, old), *validate_changes(obj, old, may_decide=True)]
