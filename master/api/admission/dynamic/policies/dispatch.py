"""Asks all ValidatingAdmissionPolicies that match an operation, through their bindings, and acts as these say.

Source: k8s.io/apiserver pkg/admission/plugin/policy/validating/dispatcher.go
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from master.api.admission.dynamic.attributes import Attributes
from master.api.admission.dynamic.context import Context
from master.api.admission.dynamic.equivalents import EquivalentKinds
from master.api.admission.dynamic.match_conditions import ConditionsFailed
from master.api.admission.dynamic.policies.params import NoParams, Params
from master.api.admission.dynamic.policies.policy import Binding, Policy
from master.api.admission.dynamic.webhooks.call import Caller
from master.api.audit.current import annotate
from master.client.errors import StatusError, forbidden, not_found
from master.client.protocol import Json, ResourceRef

if TYPE_CHECKING:
    from master.api.admission.dynamic.policies.program import Decision, Evaluation

_CODES = {"Unauthorized": 401, "Forbidden": 403, "RequestEntityTooLarge": 413, "Invalid": 422}
_FAILURES = "validation.policy.admission.k8s.io/validation_failure"
_MOST_FAILURES = 50


@dataclass(slots=True)
class _Outcome:
    """What all policies said of one operation."""

    denials: list[tuple[str, str]] = field(default_factory=list)
    failures: list[Json] = field(default_factory=list)

    def deny(self, policy: Policy, binding: Binding | None, why: str, reason: str = "Invalid") -> None:
        through = f" with binding '{binding.name}'" if binding else ""
        self.denials.append((f"ValidatingAdmissionPolicy '{policy.name}'{through} denied request: {why}", reason))


class PolicyDispatcher:
    def __init__(self, context: Context, equivalents: EquivalentKinds, caller: Caller, params: Params) -> None:
        self._context = context
        self._equivalents = equivalents
        self._caller = caller
        self._params = params

    async def validate(self, policies: Sequence[Policy], bindings: Mapping[str, Sequence[Binding]], asked: Attributes) -> None:
        """Raises StatusError of the first denial."""
        outcome = _Outcome()
        for policy in policies:
            bound = bindings.get(policy.name)
            if not bound:
                continue
            try:
                resource = policy.criteria.match(asked, self._context, self._equivalents)
            except StatusError as error:
                if not policy.fails_open:
                    outcome.deny(policy, None, f"failed to configure policy: {error.message}")
                continue
            if resource is not None:
                await self._ask(policy, bound, asked, resource, outcome)
        if outcome.failures:
            annotate(_FAILURES, orjson.dumps(outcome.failures[:_MOST_FAILURES]).decode())
        if outcome.denials:
            raise _denied(asked, *outcome.denials[0])

    async def _ask(
        self, policy: Policy, bindings: Sequence[Binding], asked: Attributes, resource: ResourceRef, outcome: _Outcome
    ) -> None:
        annotations: dict[str, list[str]] = {}
        for binding in bindings:
            try:
                if binding.criteria and binding.criteria.match(asked, self._context, self._equivalents) is None:
                    continue
                params = await self._params.of(policy.param_kind, binding.param, asked.namespace)
            except (StatusError, NoParams) as error:
                if not policy.fails_open:
                    outcome.deny(policy, binding, f"failed to configure binding: {error}")
                continue
            self._check_namespace(asked)
            shown = await self._caller.shown(asked, resource) if params else asked
            for param in params:
                await self._evaluate(policy, binding, shown, param, outcome, annotations)
        for key, values in annotations.items():
            annotate(f"{policy.name}/{key}", ", ".join(dict.fromkeys(values)))

    def _check_namespace(self, asked: Attributes) -> None:
        """Raises StatusError 404: expressions may name the namespace."""
        if asked.namespace and asked.kind.kind != "Namespace" and self._context.labels(asked.namespace) is None:
            raise not_found("namespaces", "", asked.namespace)

    async def _evaluate(
        self,
        policy: Policy,
        binding: Binding,
        shown: Attributes,
        param: Json | None,
        outcome: _Outcome,
        annotations: dict[str, list[str]],
    ) -> None:
        from master.api.admission.dynamic.variables import activation

        try:
            if policy.conditions is not None and not await policy.conditions.match(shown, self._context, param):
                return
        except ConditionsFailed as error:
            self._act(policy, binding, [(0, str(error), "Invalid")], shown, outcome)
            return
        found = await asyncio.to_thread(_evaluated, policy, activation(shown, self._context, params=param))
        decisions: list[Decision] = [one for one in found.decisions if not (one.is_error and policy.fails_open)]
        self._act(policy, binding, [(one.index, one.message, one.reason) for one in decisions], shown, outcome)
        for key, value in found.annotations.items():
            annotations.setdefault(key, []).append(value)
        if not policy.fails_open:
            for error_text in found.errors:
                outcome.deny(policy, binding, error_text)

    def _act(
        self,
        policy: Policy,
        binding: Binding,
        decisions: Sequence[tuple[int, str, str]],
        shown: Attributes,
        outcome: _Outcome,
    ) -> None:
        for index, message, reason in decisions:
            for action in binding.actions:
                if action == "Deny":
                    outcome.deny(policy, binding, message, reason)
                elif action == "Warn":
                    where = f"ValidatingAdmissionPolicy '{policy.name}' with binding '{binding.name}'"
                    shown.warn(f"Validation failed for {where}: {message}")
                elif action == "Audit":
                    outcome.failures.append(
                        {
                            "message": message,
                            "policy": policy.name,
                            "binding": binding.name,
                            "expressionIndex": index,
                            "validationActions": list(binding.actions),
                        }
                    )


def _evaluated(policy: Policy, variables: dict[str, Any]) -> "Evaluation":
    return policy.program().evaluate(variables)


def _denied(asked: Attributes, message: str, reason: str) -> StatusError:
    error = forbidden(asked.resource.plural, asked.resource.group, asked.name, message)
    details = {**(error.details or {}), "causes": [{"message": message}]}
    return StatusError(_CODES.get(reason, 422), reason, error.message, details=details)
