"""matchConditions of webhooks and policies: CEL that must be true for every one of them, or the thing is left out.

A condition that is false leaves it out, whatever the others do; otherwise an error is the failurePolicy's to judge.
Source: k8s.io/apiserver pkg/admission/plugin/webhook/matchconditions/matcher.go
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from master.api.admission.dynamic.attributes import Attributes
from master.api.admission.dynamic.context import Context
from master.client.protocol import Json

if TYPE_CHECKING:
    from master.api.admission.dynamic.expressions import Expressions

#: Kubernetes' RuntimeCELCostBudgetMatchConditions: a quarter of what a policy's rules may cost.
_BUDGET = 2_500_000


class ConditionsFailed(ValueError):
    """Conditions could not be evaluated, and the failurePolicy is Fail."""


class MatchConditions:
    """Compiled when they are first evaluated. `has_params`: of a policy with a paramKind."""

    def __init__(self, conditions: Sequence[Json], *, fails_open: bool, has_params: bool = False) -> None:
        self._conditions = conditions
        self._fails_open = fails_open
        self._has_params = has_params
        self._expressions: Expressions | None = None

    async def match(self, attributes: Attributes, context: Context, params: Json | None = None) -> bool:
        """Whether all are true. `attributes`: with the objects as the webhook sees them. Raises ConditionsFailed."""
        # The engine is imported when somebody uses it. Expressions may take long: they run in a thread.
        from master.api.admission.dynamic.variables import activation

        found = activation(attributes, context, params=params)
        return await asyncio.to_thread(self._match, found)

    def _match(self, variables: Mapping[str, Any]) -> bool:
        from master.api.admission.dynamic.expressions import Expressions
        from master.api.cel.cost import Budget

        if self._expressions is None:
            sources = [condition["expression"] for condition in self._conditions]
            self._expressions = Expressions(sources, has_params=self._has_params)
        budget = Budget(_BUDGET)
        errors: list[str] = []
        for outcome in self._expressions.evaluate(variables, budget):
            if outcome.error:
                errors.append(outcome.error)
            elif outcome.value is not True:
                return False
        if not errors:
            return True
        if self._fails_open:
            return False
        raise ConditionsFailed(errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]")
