"""Refuses configurations of dynamic admission whose CEL does not compile or gives the wrong type; what did not change is kept.

Validation of these kinds in Kubernetes; here it is admission's, because only admission knows the variables, and imports the
engine when somebody uses it. Compiling runs in a thread.
"""

import asyncio
from collections.abc import Iterator, Sequence

from master.api.admission.protocol import AdmissionContext, AdmissionRequest, ValidatingPlugin
from master.api.kinds.rules.field_errors import invalid as invalid_field
from master.client.errors import Cause, invalid
from master.client.protocol import Json

ORDER = 970
_GROUP = "admissionregistration.k8s.io"
_WEBHOOKS = frozenset({"mutatingwebhookconfigurations", "validatingwebhookconfigurations"})
_POLICIES = "validatingadmissionpolicies"


class AdmissionExpressions:
    async def validate(self, request: AdmissionRequest, obj: Json) -> None:
        resource = request.resource
        if resource.group != _GROUP or request.subresource or request.operation not in ("CREATE", "UPDATE"):
            return
        old = request.old or {}
        if resource.plural in _WEBHOOKS and obj.get("webhooks") != old.get("webhooks"):
            causes = await asyncio.to_thread(_webhook_causes, obj)
        elif resource.plural == _POLICIES and obj.get("spec") != old.get("spec"):
            causes = await asyncio.to_thread(_policy_causes, obj.get("spec") or {})
        else:
            return
        if causes:
            raise invalid(request.kind, _GROUP, request.name, causes)


def _webhook_causes(obj: Json) -> Sequence[Cause]:
    return [
        cause
        for index, hook in enumerate(obj.get("webhooks") or ())
        for cause in _condition_causes(f"webhooks[{index}].matchConditions", hook.get("matchConditions"), has_params=False)
    ]


def _policy_causes(spec: Json) -> Sequence[Cause]:
    from master.api.admission.dynamic.policies.program import PolicyProgram

    has_params = spec.get("paramKind") is not None
    causes = list(_condition_causes("spec.matchConditions", spec.get("matchConditions"), has_params=has_params))
    return causes + [invalid_field(place, source, why) for place, source, why in PolicyProgram(spec).problems]


def _condition_causes(path: str, conditions: Sequence[Json] | None, *, has_params: bool) -> Iterator[Cause]:
    if not conditions:
        return
    from master.api.admission.dynamic.expressions import compiled
    from master.api.admission.dynamic.variables import environment

    names = environment(has_params=has_params)
    for index, condition in enumerate(conditions):
        source = condition.get("expression") or ""
        program = compiled(names, source)
        if isinstance(program, str):
            yield invalid_field(f"{path}[{index}].expression", source, program)
        elif program.type.kind not in ("bool", "dyn"):
            yield invalid_field(f"{path}[{index}].expression", source, "must evaluate to bool")


def validating(_context: AdmissionContext) -> ValidatingPlugin:
    return AdmissionExpressions()
